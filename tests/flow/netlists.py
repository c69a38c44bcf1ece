# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""What tests of the stream pipeline ask of its builds."""

from __future__ import annotations

from pyflow.build import Build
from pyflow.machines.stream import StreamPlan
from pyflow.planning.netlist import Netlist


def plan_of(build: Build) -> StreamPlan:
    assert isinstance(build.plan, StreamPlan)
    return build.plan


def netlist_of(build: Build) -> Netlist:
    return plan_of(build).netlist
