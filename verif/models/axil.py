# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Scalar model of volley_axil_slave, cycle by cycle."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class AxilSlave:
    """Outputs in the present cycle. write: AWREADY and WREADY, and a write reaches the registers; read: ARREADY, and a
    read does. rdata means something with rvalid only."""

    write: bool = False
    read: bool = False
    bvalid: bool = False
    rvalid: bool = False
    rdata: int = 0

    def edge(self, aw: bool, w: bool, bready: bool, ar: bool, rready: bool, word: int) -> None:
        """The next cycle. aw, w, ar: the three channels' VALID; word: what the registers answer in this cycle."""
        room_b, room_r = not self.bvalid or bready, not self.rvalid or rready
        turn_write = aw and w and room_b and not self.write
        turn_read = ar and room_r and not self.read and not turn_write
        self.bvalid = self.write or (self.bvalid and not bready)
        self.rvalid = self.read or (self.rvalid and not rready)
        if self.read:
            self.rdata = word
        self.write, self.read = turn_write, turn_read
