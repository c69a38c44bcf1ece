# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Benches. Where a simulator has several instances of a core (verif/harness.py), a bench is given its own as `dut`."""

import os

if _instance := os.environ.get("VOLLEY_INSTANCE"):
    import cocotb

    cocotb.top = getattr(cocotb.top, _instance)
