# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""The echo network (verif/tb/net/echo_net.sv) inside the tops that pyflow.emit writes, for benches of Volley's own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pyflow.design_files import DesignFiles
from pyflow.emit.tops import tops
from pyflow.sources import rtl_sources
from verif.harness import written
from verif.tb.echo_constants import CHECKSUM, HASH, MEMORIES, PROBES

NETWORK = Path(__file__).with_name("tb") / "net" / "echo_net.sv"
SMALL = {"BYTES": 16, "CHANNELS": 1, "PIX": 1, "CLASSES": 4, "LANES": 1, "GAPS": 0}
NAMES = DesignFiles(Path(), "echo")


def echo_sources(geometry: Mapping[str, int] = SMALL) -> list[Path]:
    """Everything around and in an echo network, in the order of a compiler. geometry: BYTES of a frame, CHANNELS, PIX,
    CLASSES, LANES of the logits, GAPS (1: a cycle of nothing behind every beat of logits)."""
    constants = {
        "FRAME_BYTES": geometry["BYTES"],
        "BEAT_BYTES": geometry["PIX"] * geometry["CHANNELS"],
        "CLASSES": geometry["CLASSES"],
        "OUT_LANES": geometry["LANES"],
        "FRAMES_IN_FLIGHT": 4,
        "COUNTERS": 2,
        "PROBES": len(PROBES),
        "MEMORIES": MEMORIES,
    }
    own = {
        "IN_CHANNELS": geometry["CHANNELS"], "IN_PIX": geometry["PIX"], "GAPS": geometry["GAPS"],
        "WEIGHT_CHECKSUM": f"16'h{CHECKSUM:04x}", "STRUCTURE_HASH": f"32'h{HASH:08x}",
    }  # fmt: skip
    lines = [f"  localparam {_type(name)} {name} = {value};" for name, value in (constants | own).items()]
    texts = {NAMES.package: "\n".join([f"package {NAMES.package};", *lines, "endpackage", ""])}
    texts |= tops(NAMES, constants, HASH)
    texts = {NAMES.file(name).name: text for name, text in texts.items()}
    placed = DesignFiles(written("echo", texts), NAMES.name)
    return [NETWORK if path.name == NETWORK.name else path for path in placed.around(rtl_sources())]


def _type(name: str) -> str:
    return {"WEIGHT_CHECKSUM": "logic [15:0]", "STRUCTURE_HASH": "logic [31:0]"}.get(name, "int unsigned")
