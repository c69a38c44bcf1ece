# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Rules that the syntax alone decides; they see every branch of a generate, built or not."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from pyslang import parsing, syntax

Kind = syntax.SyntaxKind
Hit = tuple[str, Any, str]

_ASSERTIONS = (
    Kind.AssertPropertyStatement, Kind.AssumePropertyStatement, Kind.CoverPropertyStatement,
    Kind.CoverSequenceStatement, Kind.RestrictPropertyStatement, Kind.ExpectPropertyStatement,
    Kind.ImmediateAssertStatement, Kind.ImmediateAssumeStatement, Kind.ImmediateCoverStatement,
    Kind.PropertyDeclaration, Kind.SequenceDeclaration,
)  # fmt: skip
_VERIFICATION = {
    Kind.ClassDeclaration: "class", Kind.ProgramDeclaration: "program", Kind.CovergroupDeclaration: "covergroup",
    Kind.ClockingDeclaration: "clocking block", Kind.CheckerDeclaration: "checker", Kind.BindDirective: "bind",
    Kind.SpecifyBlock: "specify block", Kind.UdpDeclaration: "user-defined primitive",
    Kind.VirtualInterfaceType: "virtual interface", Kind.RandCaseStatement: "randcase",
    Kind.RandSequenceStatement: "randsequence", Kind.NetAlias: "alias", Kind.NetTypeDeclaration: "nettype",
    Kind.TaggedUnionExpression: "tagged union", Kind.ChargeStrength: "charge strength",
    Kind.DriveStrength: "drive strength", Kind.PullStrength: "pull strength",
}  # fmt: skip
_TYPES = {
    Kind.RealType: "real", Kind.ShortRealType: "shortreal", Kind.RealTimeType: "realtime", Kind.TimeType: "time",
    Kind.StringType: "string", Kind.EventType: "event", Kind.CHandleType: "chandle",
}  # fmt: skip
_OVERRIDES = {
    Kind.ProceduralForceStatement: "force", Kind.ProceduralReleaseStatement: "release",
    Kind.ProceduralAssignStatement: "assign in a procedure", Kind.ProceduralDeassignStatement: "deassign",
}  # fmt: skip
_PARAMETERS = (Kind.ParameterDeclaration, Kind.ParameterDeclarationStatement)
_NETS = ("tri0", "tri1", "trireg", "triand", "trior", "wand", "wor", "supply0", "supply1", "uwire")
_LITERALS = (
    Kind.StringLiteralExpression,
    Kind.IntegerLiteralExpression,
    Kind.IntegerVectorExpression,
    Kind.UnbasedUnsizedLiteralExpression,
)

# UG901, chapter Synthesis Attributes, with the values that it lists; None: any value. The X_ names are UG1118's,
# pins and placement UG912's. A name that only another tool reads is no error to Vivado, which ignores it.
_YES = ("yes", "no", "true", "false", "1", "0", "1'b1", "1'b0", "soft")
_STYLES = ("auto", "block", "distributed", "registers", "ultra", "mixed")
ATTRIBUTES: dict[str, tuple[str, ...] | None] = {
    "async_reg": _YES, "black_box": _YES, "cascade_height": None, "clock_buffer_type": None,
    "critical_sig_opt": _YES, "direct_enable": _YES, "direct_reset": _YES, "dont_touch": _YES, "dsp_folding": _YES,
    "dsp_folding_fastclock": _YES, "extract_enable": _YES, "extract_reset": _YES,
    "fsm_encoding": ("one_hot", "sequential", "johnson", "gray", "user_encoding", "none", "auto"),
    "fsm_safe_state": ("auto_safe_state", "reset_state", "power_on_state", "default_state"),
    "gated_clock": _YES, "iob": _YES, "io_buffer_type": None, "keep": _YES, "keep_hierarchy": _YES,
    "mark_debug": _YES, "max_fanout": None, "ram_decomp": ("power",), "ram_style": _STYLES,
    "retiming_backward": None, "retiming_forward": None, "rom_style": _STYLES,
    "rw_addr_collision": ("auto", "yes", "no"), "shreg_extract": _YES,
    "srl_style": ("register", "srl", "srl_reg", "reg_srl", "reg_srl_reg", "block"),
    "use_dsp": (*_YES, "logic", "simd"), "use_dsp48": (*_YES, "logic", "simd"),
    "x_interface_info": None, "x_interface_parameter": None, "x_interface_mode": None, "x_interface_ignore": _YES,
    "loc": None, "bel": None, "iostandard": None, "package_pin": None, "drive": None, "slew": None,
    # other tools': yosys
    "blackbox": None, "rom_block": None, "ram_block": None, "syn_ramstyle": None, "syn_romstyle": None, "hls": None,
}  # fmt: skip
PRAGMAS = ("full_case", "parallel_case")


def hits(trees: Iterable[Any]) -> Iterator[Hit]:
    """(rule, node, message) of all trees."""
    found: list[Hit] = []

    def note(rule: str, node: Any, what: str) -> None:
        found.append((rule, node, what))

    table: dict[Any, Any] = {
        Kind.AttributeSpec: lambda n: _attribute(n, note),
        Kind.LoopGenerate: lambda n: _named(n.block, note),
        Kind.IfGenerate: lambda n: _branches(n, note),
        Kind.CaseGenerate: lambda n: _items(n, note),
        Kind.DefParam: lambda n: note("defparam", n, "defparam"),
        Kind.DisableStatement: lambda n: note("parallel", n, "disable"),
        Kind.DisableForkStatement: lambda n: note("parallel", n, "disable fork"),
        Kind.ParallelBlockStatement: lambda n: note("parallel", n, "fork"),
        Kind.CaseStatement: lambda n: _case(n, note),
        Kind.DataDeclaration: lambda n: _one_row(n, note),
        Kind.NetDeclaration: lambda n: _net(n, note),
        Kind.QueueDimensionSpecifier: lambda n: note("variable-type", n, "a queue"),
        Kind.WildcardDimensionSpecifier: lambda n: note("variable-type", n, "an associative array"),
        Kind.VariableDimension: lambda n: _dimension(n, note),
    }
    for kind in (Kind.IntegerVectorExpression, Kind.UnbasedUnsizedLiteralExpression):
        table[kind] = lambda n: _constant(n, note)
    for kind in _ASSERTIONS:
        table[kind] = lambda n: note("visible-assertion", n, f"{n.getFirstToken().valueText} is not hidden")
    for kind, name in _VERIFICATION.items():
        table[kind] = lambda n, name=name: note("verification", n, name)
    for kind, name in _OVERRIDES.items():
        table[kind] = lambda n, name=name: note("override", n, name)
    for kind, name in _TYPES.items():
        table[kind] = lambda n, name=name: _type(n, name, note)
    for tree in trees:
        tree.root.visit(lookup_table=table)
    yield from found


def _text(node: Any) -> str:
    return " ".join(str(node).split())


def _attribute(node: Any, note: Any) -> None:
    name = node.name.valueText
    if name.lower() in PRAGMAS:
        note("case-pragma", node, name)
    elif name.lower() not in ATTRIBUTES:
        note("attribute-name", node, f"attribute {name}")
    if node.value is None:
        return
    value = node.value.expr
    if value.kind not in _LITERALS:
        note("attribute-literal", node, f"attribute {name} = {_text(value)}")
        return
    allowed = ATTRIBUTES.get(name.lower())
    if allowed and _text(value).strip('"').lower() not in allowed:
        note("attribute-name", node, f"attribute {name} = {_text(value)}")


def _named(block: Any, note: Any) -> None:
    if block.kind == Kind.GenerateBlock:
        if block.beginName is None and block.label is None:
            note("unnamed-generate", block, "generate block without a name")
    elif block.kind not in (Kind.IfGenerate, Kind.CaseGenerate, Kind.LoopGenerate, Kind.EmptyMember):
        note("unnamed-generate", block, "generate block without a name")


def _branches(node: Any, note: Any) -> None:
    _named(node.block, note)
    if node.elseClause is not None:
        _named(node.elseClause.clause, note)


def _items(node: Any, note: Any) -> None:
    for item in node.items:
        if not isinstance(item, parsing.Token) and hasattr(item, "clause"):
            _named(item.clause, note)


def _case(node: Any, note: Any) -> None:
    if node.caseKeyword.valueText == "casex":
        note("casex", node, "casex")


def _one_row(node: Any, note: Any) -> None:
    for declarator in node.declarators:
        if isinstance(declarator, parsing.Token):
            continue
        for dimension in declarator.dimensions:
            if re.fullmatch(r"\[(1|\s*(\d+)\s*:\s*\2\s*)\]", _text(dimension)):
                note("one-row-memory", declarator, f"{declarator.name.valueText} has one row")


def _net(node: Any, note: Any) -> None:
    if node.netType.valueText in _NETS:
        note("net-type", node, f"net type {node.netType.valueText}")
    if node.delay is not None:
        note("delay", node, "delay of a net")


def _dimension(node: Any, note: Any) -> None:
    if node.specifier is None and not any(k in _kinds_above(node) for k in (Kind.FunctionPort, Kind.DPIImport)):
        note("variable-type", node, "a dynamic array")


def _kinds_above(node: Any) -> Iterator[Any]:
    while node is not None:
        yield node.kind
        node = node.parent


def _constant(node: Any, note: Any) -> None:
    """An X in a parameter; those in processes are found there."""
    if re.search(r"'s?[bdho]?[\s0-9a-f_]*x", _text(node).lower()) and any(k in _PARAMETERS for k in _kinds_above(node)):
        note("x-literal", node, _text(node))


def _type(node: Any, name: str, note: Any) -> None:
    if not any(kind in _PARAMETERS for kind in _kinds_above(node)):
        note("variable-type", node, f"a variable of type {name}")
