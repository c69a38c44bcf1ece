# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""What can go wrong between host and device."""

from __future__ import annotations

import numpy as np

from pyflow.errors import VolleyError


class DeviceError(VolleyError):
    """The device, the way to it or its files cannot be used. One line: what, and what to do."""


class Fault(Exception):
    """Something on the way stopped or cannot be right: the streams have to be reset, the frames under way are lost.

    The device catches it and sends those frames again.
    """


class FramesFailed(DeviceError):
    """Some frames have no answer that can be believed, however often they were sent.

    logits: int64 [N, classes], zero where a frame failed. failures: frame -> why.
    """

    def __init__(self, logits: np.ndarray, failures: dict[int, str]) -> None:
        first = min(failures)
        super().__init__(
            f"{len(failures)} of {len(logits)} frames failed; frame {first}: {failures[first]}; the answers of the "
            "others are in this error's .logits"
        )
        self.logits, self.failures = logits, failures
