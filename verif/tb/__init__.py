# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Benches. Where a simulator has several instances of a core (verif/harness.py), a bench is given its own as `dut`."""

import os
from typing import Any

if _instance := os.environ.get("VOLLEY_INSTANCE"):
    import cocotb
    from cocotb.handle import Immediate

    # The random bits of time 0 may make a clock edge in any of them, and an assertion would look at it.
    _top: Any = cocotb.top
    for _each in _top:
        for _port, _value in (("rst", 1), ("clk", 0)):
            if hasattr(_each, _port):
                getattr(_each, _port).value = Immediate(_value)
    cocotb.top = getattr(cocotb.top, _instance)
