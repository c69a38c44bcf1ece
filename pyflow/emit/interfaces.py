# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Interfaces of volley_axi_top: which ports make which bus. Vivado reads them from attributes of the source (UG994,
"Inferring Interfaces"), other tools from an IP-XACT description."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

STREAM = ("TVALID", "TREADY", "TDATA", "TKEEP", "TLAST")
AXI_LITE = (
    "AWADDR", "AWPROT", "AWVALID", "AWREADY", "WDATA", "WSTRB", "WVALID", "WREADY", "BRESP", "BVALID", "BREADY",
    "ARADDR", "ARPROT", "ARVALID", "ARREADY", "RDATA", "RRESP", "RVALID", "RREADY",
)  # fmt: skip
_STREAM = {
    "TDATA_NUM_BYTES": "4", "HAS_TREADY": "1", "HAS_TKEEP": "1", "HAS_TLAST": "1", "HAS_TSTRB": "0", "TDEST_WIDTH": "0",
    "TID_WIDTH": "0", "TUSER_WIDTH": "0",
}  # fmt: skip
_AXI_LITE = {"PROTOCOL": "AXI4LITE", "DATA_WIDTH": "32", "ADDR_WIDTH": "12", "READ_WRITE_MODE": "READ_WRITE"}
MEMORY_MAP = "s_axi_ctrl"


@dataclass(frozen=True, slots=True)
class Interface:
    """One bus of the accelerator. kind: Xilinx's name of its type. ports: logical -> physical. master: it drives the
    bus."""

    name: str
    library: str
    kind: str
    ports: Mapping[str, str]
    parameters: Mapping[str, str]
    master: bool = False


def interfaces(clocks: int) -> list[Interface]:
    """All of them. clocks: 2 where the streams have one of their own."""
    streams = "s_axis:m_axis"
    found = [_clock("clk", "aresetn", f"{streams}:{MEMORY_MAP}" if clocks == 1 else MEMORY_MAP), _reset("aresetn")]
    if clocks == 2:
        found += [_clock("pixel_clk", "pixel_aresetn", streams), _reset("pixel_aresetn")]
    found += [
        _bus("s_axis", "axis", STREAM, _STREAM),
        _bus("m_axis", "axis", STREAM, _STREAM, master=True),
        _bus(MEMORY_MAP, "aximm", AXI_LITE, _AXI_LITE),
    ]
    return found


def _clock(name: str, reset: str, buses: str) -> Interface:
    """FREQ_HZ is left open: the clock that is connected says it."""
    return Interface(name, "signal", "clock", {"CLK": name}, {"ASSOCIATED_BUSIF": buses, "ASSOCIATED_RESET": reset})


def _reset(name: str) -> Interface:
    return Interface(name, "signal", "reset", {"RST": name}, {"POLARITY": "ACTIVE_LOW"})


def _bus(
    name: str, kind: str, signals: Sequence[str], parameters: Mapping[str, str], *, master: bool = False
) -> Interface:
    return Interface(name, "interface", kind, {s: f"{name}_{s.lower()}" for s in signals}, parameters, master)


def attributes(port: str, clocks: int) -> list[str]:
    """Attributes of a port in Verilog; the first port of an interface has its parameters too."""
    for bus in interfaces(clocks):
        for place, (logical, physical) in enumerate(bus.ports.items()):
            if physical == port:
                found = [f'(* X_INTERFACE_INFO = "xilinx.com:{bus.library}:{bus.kind}:1.0 {bus.name} {logical}" *)']
                # Vivado wants them once: at a bus's valid, as its own wrappers have them.
                if place == 0:
                    listed = ", ".join(f"{key} {value}" for key, value in bus.parameters.items())
                    found.append(f'(* X_INTERFACE_PARAMETER = "XIL_INTERFACENAME {bus.name}, {listed}" *)')
                return found
    return []
