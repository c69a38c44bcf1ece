# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Rows of the cores on the host's side: rtl/host and rtl/top."""

from __future__ import annotations

from pyflow.registers import ID, ID_VALUE_RESET, PROBE
from verif.echo_network import NAMES
from verif.models.packet import framed
from verif.pages.row import Row, Wave

# A frame of four words through the echo network.
FRAME = Wave(
    cycles=26,
    data={"s_axis": (0x04030201, 0x08070605, 0x0C0B0A09, 0x100F0E0D)},
    ports={"s_axis_tkeep": (15,)},
    stalls=(),
)

ROWS: dict[str, Row] = {
    # ---------------------------------------------------------------- host
    # 0x55 on the line, then 0x0F.
    "volley_uart_rx": Row(
        {"DIVISOR": 4},
        ({}, {"DIVISOR": 104}),
        Wave(
            {"DIVISOR": 4},
            96,
            ports={
                "uart_rx": tuple(
                    bit
                    for level in (1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 1, 1, 1, 0, 0, 0, 0, 1)
                    for bit in (level,) * 4
                )
            },
        ),
    ),
    "volley_uart_tx": Row(
        {"DIVISOR": 2}, ({}, {"DIVISOR": 104}), Wave({"DIVISOR": 2}, 50, data={"s_byte": (0x55, 0x0F)}, stalls=())
    ),
    "volley_crc32": Row({}, ({},), None),
    # A whole packet, and one with a flipped bit.
    "volley_packet_rx": Row(
        {"SIZE": 8},
        ({}, {"SIZE": 64}),
        Wave(
            {"SIZE": 8},
            30,
            ports={
                "rx_valid": (1,) * 20 + (0,),
                "rx_data": (*framed([1, 2, 3, 4]), *(byte ^ (n == 3) for n, byte in enumerate(framed([5, 6, 7, 8])))),
            },
            stalls=(),
        ),
    ),
    "volley_packet_tx": Row({}, ({},), Wave(cycles=20, frame=4, data={"s_packet": (1, 2, 0xC0, 4)}, stalls=())),
    # A reset, then a read of a register: the bus answers 0x2A.
    "volley_host_command": Row(
        {},
        ({},),
        Wave(
            cycles=30,
            frame=4,
            data={"s_packet": (1, 3, 0, 0, 2, 0, 4, 0)},
            stalls=(),
            ports={f"m_axi_ctrl_{name}": (1,) for name in ("awready", "wready", "bvalid", "arready", "rvalid")}
            | {"m_axi_ctrl_rdata": (0x2A,)},
        ),
    ),
    # ---------------------------------------------------------------- top
    "volley_frame_guard": Row(
        {"BYTES": 1},
        ({"BYTES": 64}, {"BYTES": 150528}),
        # Three words are a frame: the first is right, the second ends early, the third runs on.
        Wave(
            {"BYTES": 12},
            22,
            last={"s_axis": (2, 4, 9)},
            data={"s_axis": range(0x11, 0x1B)},
            stalls=(4,),
            ports={"s_axis_tkeep": (15,)},
        ),
    ),
    "volley_load_checksum": Row(
        {},
        ({},),
        Wave(
            {"INITIAL": 0xC0DE},
            16,
            ports={
                "load_select": (0, 0, 1, 1, 0),
                "load_valid": (0, 0, 0, 0, 1, 1, 0, 1, 0),
                "load_data": (0, 0, 0xFFFFFFFF, 0, 0x11, 0x22, 0, 0x33, 0),
            },
        ),
    ),
    "volley_frame_result": Row(
        {},
        ({},),
        Wave(
            {},
            18,
            3,
            data={"s_logit": range(0x11, 0x17), "s_flags": (0, 2)},
            stalls=(6,),
            ports={"cfg_checksum": (0xC0DE,)},
        ),
    ),
    "volley_top": Row(
        {},
        ({},),
        FRAME,
        around=NAMES.top,
    ),
    # A write, whose response waits for a long time, and two reads meanwhile.
    "volley_axil_slave": Row(
        {"ADDR_W": 3},
        ({},),
        Wave(
            cycles=14,
            ports={
                **dict.fromkeys(("s_axil_awvalid", "s_axil_wvalid"), (0, 1, 1, 0)),
                "s_axil_awaddr": (0, PROBE, PROBE, 0),
                "s_axil_wdata": (0, 5, 5, 0),
                "s_axil_wstrb": (0, 15, 15, 0),
                "s_axil_bready": (*[0] * 10, 1, 0),
                "s_axil_arvalid": (0, 1, 1, 1, 0, 1, 1, 0),
                "s_axil_araddr": (0, ID, ID, ID, 0, PROBE, PROBE, 0),
                "s_axil_rready": (1,),
                "req_rdata": (0, 0, 0, ID_VALUE_RESET, 0, 0, 5, 0),
            },
        ),
    ),
    # A write of 5 to PROBE, which is then read, and ID.
    "volley_regs": Row(
        {},
        ({},),
        Wave(
            cycles=10,
            ports={
                "s_cpuif_req": (0, 1, 1, 1, 0),
                "s_cpuif_req_is_wr": (0, 1, 0),
                "s_cpuif_addr": (0, PROBE, PROBE, ID, 0),
                "s_cpuif_wr_data": (0, 5, 0),
                "s_cpuif_wr_biten": (0, 0xFFFFFFFF, 0),
            },
        ),
    ),
    "volley_axi_top": Row(
        {},
        ({},),
        FRAME,
        around=NAMES.axi_top,
    ),
    "volley_uart_top": Row(
        {"CLK_HZ": 4, "BAUD": 1},
        ({},),
        Wave({"CLK_HZ": 4, "BAUD": 1}, 24, ports={"uart_rx": (1,)}, stalls=()),
        around=NAMES.uart_top,
    ),
}
