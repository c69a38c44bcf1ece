# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""The construct check for Vivado: every rule finds its fault and leaves its counterpart alone."""

import tomllib
from pathlib import Path

import pytest

from verif.lint.vivado import RULES, Finding, Rule, check
from verif.lint.vivado.page import PAGE, page


def judged(tmp_path: Path, *texts: str, image: str = "") -> list[Finding]:
    """Findings in module `t`, which one of the texts contains."""
    sources = []
    for number, text in enumerate(texts):
        sources.append(tmp_path / f"file{number}.sv")
        sources[-1].write_text(text.lstrip("\n") + "\n")
    if image:
        (tmp_path / "a.mem").write_text(image)
    return check(sources, ["t"], images=tmp_path if image else None)


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_a_rule_finds_its_fault_and_nothing_else(rule: Rule, tmp_path: Path) -> None:
    beside = [rule.beside] if rule.beside else []
    found = judged(tmp_path, rule.bad, *beside, image=rule.image)
    assert {f.rule for f in found} == {rule.name}, found
    assert not judged(tmp_path, rule.good, image=rule.image)


TEMPLATES = tomllib.loads(Path(__file__).with_name("vivado_templates.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("text", TEMPLATES.values(), ids=TEMPLATES)
def test_known_good_templates_are_left_alone(text: str, tmp_path: Path) -> None:
    assert judged(tmp_path, text) == []


# More of the kinds that rules.toml has one example of: (rule, ports, body of a module).
CLOCK = "input wire clk, input wire rst, input wire [7:0] a, input wire [7:0] b, output logic [7:0] q"
FAULTS = [
    ("two-processes", "initial q = 0;\nalways_ff @(posedge clk) q <= a;"),
    ("two-processes", "assign q = a;\nalways @(posedge clk) q <= b;"),
    ("two-processes", "always_comb q = a;\nassign q[0] = b[0];"),
    ("two-processes", "always @(posedge clk) if (rst) q <= 0;\nalways @(posedge clk) q <= a;"),
    ("mixed-assignments", "logic [7:0] r;\nalways_comb r <= a;\nassign q = r;"),
    ("mixed-assignments", "always @(posedge clk) begin if (rst) q = 0; else q <= a; end"),
    ("initial-value", "initial q = a;"),
    ("clock", "logic slow = 0;\nalways_ff @(posedge clk) slow <= !slow;\nalways_ff @(posedge slow) q <= a;"),
    ("clock", "always_ff @(posedge (clk & rst)) q <= a;"),
    ("event-list", "always @(posedge clk or posedge rst) q <= a;"),
    ("event-list", "always @(posedge clk or rst) q <= a;"),
    ("event-list", "always @(posedge clk or negedge rst) if (rst) q <= 0; else q <= a;"),
    ("event-list", "always @(a) q = a & b;"),
    ("event-list", "always @(edge clk) q <= a;"),
    ("event-list", "always @(posedge clk iff rst) q <= a;"),
    ("translate-off", "/* pragma translate_off */\ninitial q = 1;\n/* pragma translate_on */\nassign q = a;"),
    ("case-pragma", "always_comb case (a) // synthesis full_case\n  0: q = a; default: q = b; endcase"),
    ("loop-bound", "logic [7:0] n;\nalways_comb begin q = a; n = b; while (n < 8) begin q = q + 1; n = n + 1; end end"),
    ("latch", "always_comb if (rst) q = a;"),
    ("latch", "always @* begin case (a[1:0]) 0: q = a; 1: q = b; 2: q = 0; endcase end"),
    ("delay", "always @(posedge clk) q <= #1 a;"),
    ("delay", "initial begin #10 q = 0; end"),
    ("event-control", "always @(posedge clk) begin wait (rst); q <= a; end"),
    ("loop-bound", "always_comb begin q = a; while (q > 3) q = q - 3; end"),
    ("loop-bound", "always_comb begin q = 0; repeat (a) q = q + 1; end"),
    ("variable-type", "real r;\nalways_comb r = 1.5;\nassign q = a;"),
    ("variable-type", "int list [$];\nassign q = a;"),
    ("variable-type", "logic [7:0] open [];\nassign q = a;"),
    ("variable-type", "string s = \"a\";\nassign q = a;"),
    ("variable-type", "logic [7:0] table_of [string];\nassign q = a;"),
    ("override", "always @(posedge clk) if (rst) assign q = 0; else deassign q;"),
    ("system-task", "always_ff @(posedge clk) begin q <= a; $display(\"%d\", a); end"),
    ("system-task", "initial $dumpvars;\nassign q = a;"),
    ("x-literal", "assign q = rst ? 'x : a;"),
    ("x-literal", "localparam logic [7:0] NONE = 8'hxx;\nassign q = rst ? NONE : a;"),
    ("division", "assign q = a % 10;"),
    ("division", "assign q = 8'(a ** b);"),
    ("inner-tristate", "tri bus;\nassign bus = rst ? a[0] : 1'bz;\nassign q = 8'(bus);"),
    ("visible-assertion", "always_ff @(posedge clk) begin q <= a; assert (a != 3); end"),
    ("unnamed-generate", "if (1) begin assign q = a; end else begin assign q = b; end"),
    ("parallel", "always @(posedge clk) fork q <= a; join"),
    ("verification", "class packet; int x; endclass\nassign q = a;"),
    ("verification", "final $finish;\nassign q = a;"),
    ("net-type", "wire n;\npullup (n);\nassign q = 8'(n);"),
    ("attribute-name", "(* dont_tuoch = \"true\" *) logic [7:0] r;\nassign r = a;\nassign q = r;"),
    ("slang", "`include \"missing.svh\"\nassign q = a;"),
    ("slang", "absent u (.a);\nassign q = a;"),
    ("one-row-memory", "logic [7:0] m [0:0];\nalways_ff @(posedge clk) m[0] <= a;\nassign q = m[0];"),
    ("unwritten-memory", "(* rom_style = \"distributed\" *) logic [7:0] m [256];\nassign q = m[a];"),
    ("two-writes", "logic [7:0] m [256];\nalways_ff @(posedge clk) begin m[a] <= b; m[b] <= a; end\nassign q = m[a];"),
    ("two-writes", "logic [7:0] m [256];\nalways_ff @(posedge clk) for (int i = 0; i < 2; i++) m[a + i] <= b;\n"
                   "assign q = m[a];"),
    ("memory-reset", "logic [7:0] m [256];\nalways_ff @(posedge clk) if (rst) m <= '{default: '0}; else m[a] <= b;\n"
                     "assign q = m[a];"),
    ("memory-reset", "logic [7:0] m [256];\nalways_ff @(posedge clk or posedge rst) if (rst) q <= 0; "
                     "else begin m[a] <= b; q <= m[a]; end"),
    ("readmem", "string f;\nlogic [7:0] m [256];\ninitial $readmemh(f, m);\nassign q = m[a];"),
    ("write-ports", "(* ram_style = \"distributed\" *) logic [7:0] m [256];\nalways @(posedge clk) m[a] <= b;\n"
                    "always @(posedge clk) m[b] <= a;\nassign q = m[a];"),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "body"), FAULTS, ids=[f"{i}-{rule}" for i, (rule, _) in enumerate(FAULTS)])
def test_a_fault_of_each_kind_is_found(rule: str, body: str, tmp_path: Path) -> None:
    text = f"module t ({CLOCK});\n{body}\nendmodule\nmodule sub;\nendmodule\n"
    assert rule in {f.rule for f in judged(tmp_path, text)}


@pytest.mark.parametrize(("image", "rule"), [
    ("1\n2\n3\n", "image-length"), ("1\n2\n3\n4\n5\n", "image-length"), ("1\n2\n3\nxy\n", "image"),
    ("// four\n1\n2\n3\n4\n", "image"), ("@0\n1\n2\n3\n", "image"), ("1\n2\n3\n100\n", "image"),
])  # fmt: skip
def test_an_image_that_does_not_fit_is_found(image: str, rule: str, tmp_path: Path) -> None:
    assert {f.rule for f in judged(tmp_path, RULES["image-length"].good, image=image)} == {rule}


def test_hidden_code_is_not_judged(tmp_path: Path) -> None:
    text = (
        "module t (input wire a, output wire q);\n  assign q = a;\n// synthesis translate_off\n"
        '  initial #10 $display("late");\n// synthesis translate_on\n`ifndef SYNTHESIS\n'
        '  initial #10 $display("late");\n`endif\nendmodule\n'
    )
    assert [f.what for f in judged(tmp_path, text)] == ["translate_off"]


def test_the_page_is_what_the_table_says() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "make docs"
