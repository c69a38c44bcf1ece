# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Streams that share packed ports, as ports of their own: the agents of `axis` then need not know.

tb = TB(Slices(dut, {"m_axis": N}), sinks=[f"m_axis{i}" for i in range(N)])
"""

from __future__ import annotations

from typing import Any


class Slices:
    """`dut`, and for each bus of n streams the ports bus0_t*, bus1_t* .. of equal parts of bus_t*."""

    def __init__(self, dut: Any, buses: dict[str, int]) -> None:
        self._dut = dut
        for bus, n in buses.items():
            for signal in ("tvalid", "tready", "tdata", "tlast"):
                port = _Port(getattr(dut, f"{bus}_{signal}"), n)
                for index in range(n):
                    setattr(self, f"{bus}{index}_{signal}", _Slice(port, index))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._dut, name)


class _Port:
    """A packed port of n equal parts. `driven`: what has been written; a read would give the value before."""

    def __init__(self, handle: Any, n: int) -> None:
        self.handle, self.width, self.driven = handle, len(handle) // n, 0


class _Slice:
    def __init__(self, port: _Port, index: int) -> None:
        self._port, self._shift, self._mask = port, index * port.width, (1 << port.width) - 1

    def __len__(self) -> int:
        return self._port.width

    @property
    def value(self) -> int:
        return int(self._port.handle.value) >> self._shift & self._mask

    @value.setter
    def value(self, value: int) -> None:
        self._port.driven = self._port.driven & ~(self._mask << self._shift) | value << self._shift
        self._port.handle.value = self._port.driven
