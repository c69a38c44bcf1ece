# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""docs/cores: every core has its page, and each says what the RTL says."""

import re
from pathlib import Path

import pytest

from verif.pages.measure import key
from verif.pages.page import (
    FOLDER,
    around,
    benches,
    index,
    page,
    path_of,
    picture_digest,
    picture_of,
    prose,
    stored,
    summary,
    timings,
)
from verif.pages.sizes import ROWS, row_of
from verif.pages.sv import (
    Core,
    comment_of,
    constants_of,
    cores,
    default_of,
    elaborate,
    packages,
    read,
    rules_of,
)

CORES = list(cores().values())
NAMES = [core.name for core in CORES]
each_core = pytest.mark.parametrize("core", CORES, ids=NAMES)


@each_core
def test_the_page_is_what_the_sources_say(core: Core) -> None:
    found = stored(core)
    assert found, f"make docs: {path_of(core)} is missing"
    assert path_of(core).read_text(encoding="utf-8") == page(core, found), "make docs"


@each_core
def test_area_and_waveform_are_of_this_code(core: Core) -> None:
    found = stored(core)
    assert found, "make docs: the code or its row of verif/pages/sizes_*.py has changed"
    assert found.key == key(core), "make docs: the code or its row of verif/pages/sizes_*.py has changed"
    assert found.picture == picture_digest(core), "make docs: the waveform is not the one that was drawn"
    if row_of(core.name).wave:
        picture = picture_of(core).read_text(encoding="utf-8")
        assert picture.startswith("<svg")
        assert ">clk<" in picture
        assert len(picture) < 24_000


@each_core
def test_the_instantiation_compiles(core: Core, tmp_path: Path) -> None:
    (snippet,) = re.findall(r"```systemverilog\n(.*?)\n```", path_of(core).read_text(encoding="utf-8"), re.DOTALL)
    assert len(re.findall(r"\.\w+", snippet.split(") u_")[-1].split("\n", 1)[1])) == len(core.ports)
    around = tmp_path / "around.sv"
    around.write_text(f"module around (input wire logic clk, rst, aresetn);\n{snippet}\nendmodule\n")
    widths, errors = elaborate([core.path.with_suffix(".f"), around], "around")
    assert not errors, errors
    assert list(widths) == ["clk", "rst", "aresetn"], errors
    named = re.findall(r"\.(\w+)\(", snippet)
    assert {p.name for p in core.settable if re.fullmatch(r"\d+('\w+)?", p.default)} <= set(named)


@each_core
def test_every_name_of_a_legal_condition_has_a_row(core: Core) -> None:
    rows = re.findall(r"^\| `(\w+)` \|.*?\| `.*?` \| (.*?) \| .*$", path_of(core).read_text(encoding="utf-8"), re.M)
    conditions = re.findall(r"`(.*?)`", re.sub(r'"\w*"', "", " ".join(legal for _, legal in rows)))
    named = set(re.findall(r"(?<!\$)\b[A-Za-z_]\w*", " ".join(conditions))) - {"and", "or", "where"}
    assert named <= {name for name, _ in rows}


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("volley_neuron_lif", "[volley_lif_step](volley_lif_step.md) for each time step"),
        ("volley_lif_step", "[docs/numerics.md](../numerics.md)"),
        ("volley_uart_top", "as it does at [volley_top](volley_top.md)"),
        ("volley_lif_step", "`-2^(V_W-1) <= V_LEAK <= 2^(V_W-1) - 1`"),
        (
            "volley_lif_step",
            "bench: none of its own; inside [volley_neuron_lif](volley_neuron_lif.md), [volley_neuron_membrane]",
        ),
        ("volley_accumulate", "| `TERM_W` | int unsigned, derived | `IN_W + 32'(!IN_SIGNED)` | `OUT_W >= TERM_W` |"),
    ],
)
def test_a_page_leads_on(name: str, line: str) -> None:
    assert line in path_of(cores()[name]).read_text(encoding="utf-8")


def test_evidence_from_around_ends_at_the_nearest_core_that_has_it() -> None:
    assert [core.name for core in around(cores()["volley_lif_step"], benches)] == [
        "volley_neuron_lif",
        "volley_neuron_membrane",
    ]
    assert {core.name for core in around(cores()["volley_crc32"], benches)} == {
        "volley_load_checksum", "volley_packet_rx", "volley_packet_tx"}  # fmt: skip


def test_the_index_lists_every_page() -> None:
    assert (FOLDER / "README.md").read_text(encoding="utf-8") == index(CORES), "make docs"
    assert sorted(ROWS) == sorted(NAMES)
    assert {path.stem for path in FOLDER.glob("*.md")} == {*NAMES, "README"}
    assert {path.stem for path in FOLDER.glob("img/*")} == {name for name in NAMES if ROWS[name].wave}
    for suffix in (".f", ".core"):
        beside = {path.stem for path in FOLDER.parents[1].glob(f"rtl/*/*{suffix}")}
        shared = set(packages()) if suffix == ".core" else set()
        assert beside == set(NAMES) | shared, f"make docs, or a {suffix} of a core that is gone"


def test_a_core_has_one_row_of_latency_and_cycles() -> None:
    table = "| core | latency | cycles |\n|---|---|---|\n| `volley_a`, `volley_b` | 0 | 1 per beat |\n"
    assert timings(table) == dict.fromkeys(("volley_a", "volley_b"), ("0", "1 per beat"))
    with pytest.raises(ValueError, match="volley_b has two rows"):
        timings(table + "| `volley_b` | 2 | 1 per beat |\n")


# ------------------------------------------------------------------ parameters of the parts
def test_parameters_that_travel_as_one_constant_keep_name_default_and_meaning() -> None:
    """A tool sets each by its name; the structure is no parameter for it."""
    step, neuron = cores()["volley_lif_step"], cores()["volley_neuron_lif"]
    own = {p.name: p for p in step.settable}
    assert step.parameters[0].name == "LIF"
    assert "LIF" not in own
    assert "V_W" in own
    handed = dict(neuron.passed)["volley_lif_step"]
    assert own.keys() <= handed
    assert {name: default_of(step, p) for name, p in own.items()} == {
        p.name: p.default for p in neuron.settable if p.name in own
    }
    assert packages().keys() == {"volley_pkg"}


def test_a_parameter_that_is_passed_on_has_the_comment_and_the_rules_of_the_part() -> None:
    lif = cores()["volley_neuron_lif"]
    leak = next(p for p in lif.parameters if p.name == "LEAK")
    assert not leak.comment
    assert comment_of(lif, leak).startswith("decay of v: 0 none")
    assert {"LEAK <= 2", "BEATS >= 1", "PASSES >= 1"} <= {rule.legal for rule in rules_of(lif)}
    beats = next(p for p in lif.parameters if p.name == "BEATS")
    assert comment_of(lif, beats) == beats.comment == "beats per pass"


def test_a_rule_of_a_part_about_what_the_core_does_not_pass_on_is_not_the_cores() -> None:
    lif, legal = cores()["volley_neuron_lif"], {rule.legal for rule in rules_of(cores()["volley_neuron_lif"])}
    assert "DATA_W >= 1" in {rule.legal for rule in cores()["volley_state_memory"].rules}
    assert "volley_state_memory" in dict(lif.passed)
    assert "DATA_W >= 1" not in legal
    spans = {rule.legal for rule in rules_of(cores()["volley_replay"])}
    assert not any("SPAN" in text for text in spans)  # a constant of its window


# ------------------------------------------------------------------ reading a source
SOURCE = """\
// SPDX-License-Identifier: Apache-2.0
// Example core: out[i] = a * b. It has 0 .. N - 1 lanes. More about it:
//   out[i] = a
//
// Notes. Model: verif/models/stream.py.
`default_nettype none
module volley_example #(
  parameter int unsigned N     = 4,            // lanes
  parameter int unsigned W     = N * 2,        // bits
  // Memory
  parameter string       STYLE = "auto",
  localparam int unsigned ALL  = N * W
) (
  input  wire logic           clk,
  // Sink: words
  input  wire logic [ALL-1:0] words,           // lane 0 lowest
  output logic [3:0]          count
);
  localparam int unsigned HALF = N / 2;        // of the lanes
  localparam int unsigned SUM  = HALF + W;
  if (N < 1 || W % N != 0) $fatal(1, "volley_example: N = %0d", N);
  else if (!(N > 8) && W == 3) $fatal(1, "volley_example: W");
  if (N == 2) begin : g_two
    if (W >= 16) $fatal(1, "volley_example: W = %0d with two lanes", W);
  end else begin : g_more
    if (W == 0) $fatal(1, "volley_example: no bits");
    volley_part #(.W(W)) u_part (.clk, .words);
  end
  for (genvar n = 0; n < N; n++) begin : g_lane
    volley_lane #(.W(W), .N(1), .ALL(ALL)) u_lane (.clk);
  end
  assign count = volley_example_pkg::COUNT;
endmodule
"""


@pytest.fixture
def example(tmp_path: Path) -> Core:
    path = tmp_path / "volley_example.sv"
    path.write_text(SOURCE)
    return read(path)


def test_header_parameters_and_ports(example: Core) -> None:
    assert summary(example) == "Example core: out[i] = a * b"
    assert prose(example)[-1] == "Notes."
    assert [(p.name, p.type, p.default, p.comment, p.group, p.local) for p in example.parameters] == [
        ("N", "int unsigned", "4", "lanes", "", False),
        ("W", "int unsigned", "N * 2", "bits", "", False),
        ("STYLE", "string", '"auto"', "", "Memory", False),
        ("ALL", "int unsigned", "N * W", "", "Memory", True),
    ]
    assert [(p.name, p.direction, p.width, p.comment, p.group) for p in example.ports] == [
        ("clk", "input", "1", "", ""),
        ("words", "input", "ALL", "lane 0 lowest", "Sink: words"),
        ("count", "output", "4", "", "Sink: words"),
    ]
    assert [(c.name, c.default, c.comment, c.local) for c in example.constants] == [
        ("HALF", "N / 2", "of the lanes", True), ("SUM", "HALF + W", "", True)]  # fmt: skip
    assert constants_of(example, "SUM >= N") == list(example.constants)
    assert example.needs == {"volley_part", "volley_lane", "volley_example_pkg"}
    assert example.passed == (("volley_lane", {"W", "ALL"}),)  # volley_part is not there with N = 2


def test_a_rule_is_said_as_what_is_legal(example: Core) -> None:
    assert [rule.legal for rule in example.rules] == [
        "N >= 1", "W % N == 0",
        "N > 8 or W != 3",
        "W < 16 where N == 2",
        "W != 0 where N != 2",
    ]  # fmt: skip
    assert example.rules[1].names == {"N", "W"}
    assert example.rules[0].names == {"N"}


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ("// lanes", "// lanes, at least 1", True),
        ("  input  wire logic           clk", "  input wire logic clk", True),
        ("N < 1", "N < 2", False),
    ],
)
def test_comments_and_spacing_make_no_page_stale(example: Core, tmp_path: Path, old: str, new: str, same: bool) -> None:
    assert old in SOURCE
    path = tmp_path / "changed.sv"
    path.write_text(SOURCE.replace(old, new))
    assert (read(path).tokens == example.tokens) is same
