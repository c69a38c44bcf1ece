# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""What every SystemVerilog source keeps to, read from its syntax tree."""

from pathlib import Path

import pytest
from pyslang import syntax

from verif.harness import REPO
from verif.pages.sv import PLACE, Kind, nodes

SOURCES = sorted(path for folder in ("rtl", "boards", "verif") for path in (REPO / folder).rglob("*.sv"))
GENERATES = {Kind.IfGenerate, Kind.LoopGenerate, Kind.CaseGenerate}
each_source = pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(REPO)))


def tree_of(text: str):
    return syntax.SyntaxTree.fromText(text).root


def line_of(path: Path, node) -> str:
    text = path.read_text()
    return f"{path.name}:{text.count(chr(10), 0, node.getFirstToken().location.offset) + 1}"


def unnamed(root) -> list:
    """Blocks of generate constructs without a name."""
    found = []
    for node in nodes(root):
        if node.kind == Kind.IfGenerate:
            blocks = [node.block, *([node.elseClause.clause] if node.elseClause else [])]
        elif node.kind == Kind.LoopGenerate:
            blocks = [node.block]
        elif node.kind == Kind.CaseGenerate:
            blocks = [item.clause for item in node.items]
        else:
            continue
        found += [block for block in blocks if block.kind not in GENERATES
                  and not (block.kind == Kind.GenerateBlock and block.beginName)]  # fmt: skip
    return found


def messages(root) -> list[tuple[str, str]]:
    """(name of its generate block, message) of every $fatal of elaboration."""
    found = []
    for task in nodes(root):
        if task.kind == Kind.ElabSystemTask and task.name.valueText == "$fatal":
            block = task.parent
            named = block.kind == Kind.GenerateBlock and block.beginName
            text = str(task.arguments.parameters[2]).strip().strip('"')
            found.append((block.beginName.name.valueText if named else "", text))
    return found


@each_source
def test_every_generate_block_has_a_name(path: Path):
    assert [line_of(path, block) for block in unnamed(tree_of(path.read_text()))] == []


@each_source
def test_every_rule_says_where_it_is_broken(path: Path):
    """volley_<core>: what is wrong (instance), in a block g_rule_<what>."""
    for name, message in messages(tree_of(path.read_text())):
        assert name.startswith("g_rule_"), message
        assert message.startswith(f"{path.stem}: "), message
        assert message.endswith(PLACE), message


def test_the_walk_finds_them():
    root = tree_of("""module m;
      if (A) begin : g_a if (B) $fatal(1, "m: B"); else begin x y (); end end else if (C) begin : g_c end
      for (genvar i = 0; i < 2; i++) begin case (i) 0: begin : g_0 end default: begin end endcase end
    endmodule""")
    assert len(unnamed(root)) == 4
    assert messages(root) == [("", "m: B")]
