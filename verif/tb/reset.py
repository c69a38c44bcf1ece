# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""A reset that is active low, for TB."""


class Reset:
    """`rst` as TB drives it, on an active-low port."""

    def __init__(self, aresetn):
        self.aresetn = aresetn

    @property
    def value(self) -> int:
        return 1 - int(self.aresetn.value)

    @value.setter
    def value(self, active: int) -> None:
        self.aresetn.value = 1 - active


class ActiveLow:
    """A DUT whose reset is `aresetn`, for TB."""

    def __init__(self, dut):
        self.dut, self.rst = dut, Reset(dut.aresetn)

    def __getattr__(self, name: str):
        return getattr(self.dut, name)
