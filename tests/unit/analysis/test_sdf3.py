# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Files of SDF3, and the command that analyses them."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import pytest

from benchmarks.dataflow_graphs import PUBLISHED, chain, two_buffers
from benchmarks.dataflow_random import strong
from pyflow.__main__ import main
from pyflow.analysis.dataflow import Application, Platform, Sdf3, read_sdf3, sdf3_text, synchronous
from pyflow.analysis.dataflow.sdf3 import Connection, Processor, Tile
from pyflow.analysis.dataflow.xml import MAX_ELEMENTS
from pyflow.errors import VolleyError

FILE = """<?xml version="1.0" encoding="UTF-8"?>
<sdf3 type="csdf" version="1.0" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
      xsi:noNamespaceSchemaLocation="http://www.es.ele.tue.nl/sdf3/xsd/sdf3-csdf.xsd">
  <applicationGraph name="small">
    <csdf name="small" type="Small">
      <actor name="a" type="A"><port name="out" type="out" rate="2*1,4"/></actor>
      <actor name="b" type="B"><port name="in" type="in" rate="2"/></actor>
      <channel name="ab" srcActor="a" srcPort="out" dstActor="b" dstPort="in" initialTokens="1"/>
    </csdf>
    <csdfProperties>
      <actorProperties actor="a">
        <processor type="risc"><executionTime time="9"/></processor>
        <processor type="dsp" default="true">
          <executionTime time="1,2,3"/><memory><stateSize max="64"/></memory>
        </processor>
      </actorProperties>
      <actorProperties actor="b"><processor type="dsp"><executionTime time="5"/></processor></actorProperties>
      <channelProperties channel="ab">
        <bufferSize sz="7"/><tokenSize sz="32"/><bandwidth min="0"/>
      </channelProperties>
      <graphProperties><timeConstraints><throughput>0.0625</throughput></timeConstraints></graphProperties>
    </csdfProperties>
  </applicationGraph>
</sdf3>
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "graph.xml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_is_read(tmp_path: Path) -> None:
    found = read_sdf3(written(tmp_path, FILE)).application
    assert found is not None
    (channel,) = found.graph.channels
    assert [(actor.name, actor.times) for actor in found.graph.actors] == [("a", (1, 2, 3)), ("b", (5,))]
    assert (channel.produces, channel.consumes, channel.tokens) == ((1, 1, 4), (2,), 1)
    assert found.processors["a"] == {"risc": Processor((9,)), "dsp": Processor((1, 2, 3), 64, default=True)}
    assert (found.token_bits, found.buffers, found.throughput) == ({"ab": 32}, {"ab": 7}, Fraction(1, 16))


@pytest.mark.parametrize("name", PUBLISHED)
def test_what_is_written_is_read_back(name: str, tmp_path: Path) -> None:
    graph = PUBLISHED[name]().graph
    text = sdf3_text(Sdf3(Application(graph), None))
    found = read_sdf3(written(tmp_path, text))
    assert found.application is not None
    assert found.application.graph == graph
    assert sdf3_text(found).replace(' default="true"', "") == text.replace(' default="true"', "")


def test_random_graphs_and_a_platform_are_read_back(tmp_path: Path) -> None:
    tiles = (Tile("t0", "crossbar", 8, 1 << 20, 8, 96, 96), Tile("t1", "crossbar"))
    mesh = Platform("mesh", tiles, (Connection("c0", "t0", "t1", 3),), {"slotTableSize": 8, "flitSize": 96}, ("r0",),
                    (("l0", "t0", "r0"),))  # fmt: skip
    for seed in range(20):
        graph = strong(seed, cyclo_static=True)
        file = Sdf3(Application(graph, token_bits={"c0": 5}, throughput=Fraction(seed, 8)), mesh)
        found = read_sdf3(written(tmp_path, sdf3_text(file)))
        assert found.platform == mesh
        assert found.application is not None
        assert (found.application.graph, found.application.throughput) == (graph, Fraction(seed, 8))
        assert found.application.token_bits == {"c0": 5}


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("<csdfProperties>", "<csdfProperties><secret/>", "csdfProperties holds an element 'secret'"),
        ('name="ab" ', 'name="ab" colour="red" ', "channel has an attribute 'colour'"),
        ('rate="2"', 'rate="-2"', "rate='-2' is no whole number"),
        ('rate="2"', 'rate="0"', "consumption rate 0"),
        ('rate="2"', 'rate=""', "attribute rate is missing"),
        ('rate="2*1,4"', 'rate="99999999*1"', "more than 10,000 phases"),
        ('rate="2*1,4"', 'rate="1,1,1,3"', "in 12 phases"),
        ('time="5"', 'time="1.5"', "time='1.5' is no whole number"),
        ('srcPort="out"', 'srcPort="x"', "a has no free port x of type out"),
        ('dstActor="b" dstPort="in"', 'dstActor="a" dstPort="out"', "a has no free port out of type in"),
        ('type="in" rate', 'type="both" rate', "port in is of type 'both'"),
        ("0.0625", "1e999999999", "throughput '1e999999999' is no number"),
        ('channel="ab"', 'channel="xy"', "there is no channel xy"),
        ('actorProperties actor="b"', 'actorProperties actor="c"', "there is no actor c"),
        ('<actorProperties actor="b"><processor type="dsp"><executionTime time="5"/></processor></actorProperties>', "",
         "actor b: no executionTime"),
        ("<applicationGraph", "<messagesSet/><applicationGraph", "holds an element 'messagesSet'"),
        ("</sdf3>", "", "no readable XML (no element found"),
        ("<sdf3 ", '<!DOCTYPE x [<!ENTITY a "aaaa">]><sdf3 ', "a document type"),
        ("<csdfProperties>", "<csdfProperties>" + "<a>" * 40, "more than 32 levels"),
    ],
)  # fmt: skip
def test_a_file_is_refused_in_one_line(old: str, new: str, says: str, tmp_path: Path) -> None:
    assert old in FILE
    path = written(tmp_path, FILE.replace(old, new, 1))
    if says == "in 12 phases":  # 4 of the port, 3 of the times
        found = read_sdf3(path).application
        assert found is not None
        assert len(found.graph.actors[0].times) == 12
        return
    with pytest.raises(VolleyError) as e:
        read_sdf3(path)
    assert says in str(e.value)
    assert str(e.value).startswith(str(path))
    assert "\n" not in str(e.value)


def test_entities_are_never_expanded(tmp_path: Path) -> None:
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">' + "".join(
        f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(9)
    )
    with pytest.raises(VolleyError, match="a document type"):
        read_sdf3(written(tmp_path, f"{bomb}]><sdf3>&j;</sdf3>"))
    with pytest.raises(VolleyError, match=f"{MAX_ELEMENTS:,} elements"):
        read_sdf3(written(tmp_path, "<sdf3>" + "<a/>" * (MAX_ELEMENTS + 1) + "</sdf3>"))


# ------------------------------------------------------------------ the command
def test_the_command_prints_and_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, sdf3_text(Sdf3(Application(two_buffers()), None)))
    assert main(["analyse", str(path), "--front", "--json", str(tmp_path / "out.json")]) == 0
    said = capsys.readouterr().out
    assert "4 time units per iteration (0.25 iterations per time unit)" in said
    assert "b-b → b (2 times)" in said
    assert "10 tokens for a period of 4; no fewer will do" in said
    assert "6 tokens, period 7" in said
    outcome = json.loads((tmp_path / "out.json").read_text())
    assert outcome["period"] == [4, 1]
    assert outcome["repetition"] == {"a": 3, "b": 2, "c": 1}
    assert outcome["buffers"]["capacities"] == {"a-b": 7, "b-c": 3}
    assert [(p["size"], p["period"]) for p in outcome["front"]][::4] == [(6, [7, 1]), (10, [4, 1])]
    assert main(["analyse", str(path), "--period", "11/2"]) == 0
    assert "9 tokens for a period of 5" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("buffers", "throughput", "says"),
    [
        ({"a-b": 7, "b-c": 3}, "0.25", ["iterations per time unit: reached", "its own buffers period 4"]),
        ({"a-b": 4, "b-c": 2}, "0.3", ["not reached, whatever the buffers", "its own buffers period 7"]),
        ({"a-b": 3}, None, ["deadlock: "]),
        ({"a-b": 1}, None, ["a buffer of 1 tokens, which needs 3 at least"]),
    ],
)
def test_what_the_file_asks_for_is_answered(
    buffers: dict[str, int], throughput: str | None, says: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    application = Application(two_buffers(), buffers=buffers, throughput=Fraction(throughput) if throughput else None)
    assert main(["analyse", str(written(tmp_path, sdf3_text(Sdf3(application, None))))]) == 0
    said = capsys.readouterr().out
    assert all(what in said for what in says), said


@pytest.mark.parametrize(
    ("graph", "options", "says"),
    [
        (synchronous("g", {"a": 1, "b": 1}, [*chain("a 1 2 b"), *chain("b 1 1 a")]), [], "inconsistent rates"),
        (synchronous("g", {"a": 1, "b": 1}, [*chain("a 1 1 b"), *chain("b 1 1 a")]), [], "deadlock: "),
        (synchronous("g", {"a": 1, "b": 1, "c": 1}, chain("a 999983 1 b 1 1000003 c")), [], "at most 200,000"),
        (two_buffers(), ["--period", "3"], "a period of 3 is asked for"),
        (two_buffers(), ["--period", "fast"], "--period 'fast' is no number"),
        (synchronous("g", {"a": 1, "b": 1}, chain("a 1 1 b")), ["--front"], "no front of buffers: nothing limits"),
    ],
)
def test_the_command_refuses_in_one_line(
    graph: object, options: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path, sdf3_text(Sdf3(Application(graph), None)))  # type: ignore[arg-type]
    assert main(["analyse", str(path), *options]) == 2
    said = capsys.readouterr().err
    assert says in said
    assert said.count("\n") == 1


def test_other_files_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["analyse", str(tmp_path / "no.xml")]) == 2
    assert main(["analyse", str(tmp_path / "no.txt")]) == 2
    assert main(["analyse", "digits", "--front"]) == 2
    said = capsys.readouterr().err
    assert "no such file" in said
    assert "no.txt" in said
    assert "--front are for dataflow graphs" in said
    assert said.count("\n") == 3
