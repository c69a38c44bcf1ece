# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""What every way to a device can do; `Device` knows no more of it."""

from __future__ import annotations

import time
from typing import Callable, Iterator, Sequence

import numpy as np

Clock = Callable[[], float]  # seconds; a simulation has its own


class Deadline:
    """Tells whether `seconds` have gone by without progress."""

    def __init__(self, seconds: float, clock: Clock = time.monotonic) -> None:
        self.seconds, self._clock = seconds, clock
        self.again()

    def again(self) -> None:
        """Something moved."""
        self._end = self._clock() + self.seconds

    @property
    def over(self) -> bool:
        return self._clock() > self._end


class Link:
    """A way to one device. Registers and frames: read(), write(), exchange() raise Fault where something stops;
    DeviceError where no reset would help."""

    def attach(self) -> None:
        """First contact with a device that is to go on as it is: no reset, its counters stay."""

    def reset(self) -> None:
        """Empties network and streams, whatever was under way; the next frame is number 0. Raises DeviceError where the
        device does not come back."""
        raise NotImplementedError

    def read(self, address: int) -> int:
        """Register at `address`."""
        raise NotImplementedError

    def write(self, address: int, words: Sequence[int]) -> None:
        """Writes each of `words`, in order, to the register at `address`."""
        raise NotImplementedError

    def exchange(self, frames: np.ndarray, words: int) -> Iterator[np.ndarray]:
        """Sends uint8 [N, bytes] frame by frame; yields their answers in order, uint32 [at most words + 1] each.

        An answer has `words` words. One more than that is the sign that it had too many.
        """
        raise NotImplementedError

    def close(self) -> None:
        """Lets go of the device."""
