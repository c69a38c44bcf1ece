# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""The AXI DMA and the registers of a Zynq board with PYNQ (boards/common/zynq.tcl): a transfer is a frame."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Callable, Iterator, Sequence

import numpy as np

from pyflow import registers as r
from pyflow.runtime.errors import DeviceError, Fault
from pyflow.runtime.link import Clock, Deadline, Link

# Registers of the DMA (PG021): control, status and length; S2MM at 0x30.
MM2S, S2MM = 0x00, 0x30
CONTROL, STATUS, LENGTH = 0x00, 0x04, 0x28
RESET = 1 << 2  # of control
LOCK = "/tmp/volley-pynq.lock"  # held by the process that has the device
ERRORS = {1 << 4: "internal error, a packet longer than its buffer", 1 << 5: "slave error", 1 << 6: "decode error"}


class PynqLink(Link):
    """overlay: with `dma` and `volley` as the block design names them. allocate: pynq.allocate. timeout_s: longest time
    in which no frame goes in and no answer comes out [s]."""

    def __init__(
        self, overlay: Any, allocate: Callable[..., Any], timeout_s: float = 2.0, clock: Clock = time.monotonic
    ) -> None:
        self._dma, self._registers, self._allocate = overlay.dma, overlay.volley, allocate
        self._timeout_s, self._clock = timeout_s, clock
        self._in: Any = None
        self._out: Any = None
        self._moving = False  # the DMA may still read or write the buffers
        self._lock: Any = None

    @classmethod
    def open(cls, bitstream: Path, timeout_s: float = 2.0) -> PynqLink:
        """Loads `bitstream`, with its .hwh beside it, unless it is loaded: weights in its memories then stay. Raises
        DeviceError where there is no PYNQ, or another process has the device."""
        try:
            from pynq import Overlay, allocate
        except ImportError:
            raise DeviceError(
                "pynq: not installed here; run this on the board, with the Python of its PYNQ image"
            ) from None
        for path in (bitstream, bitstream.with_suffix(".hwh")):
            if not path.exists():
                raise DeviceError(f"{path}: not there; copy the .bit and the .hwh of `make bitstream` beside host/")
        lock = _only_process()
        try:
            overlay = Overlay(str(bitstream), download=False)
            if not overlay.is_loaded():
                overlay.download()
            link = cls(overlay, allocate, timeout_s)
        except (OSError, RuntimeError) as e:
            raise DeviceError(
                f"{bitstream}: cannot be loaded ({e}); run this as root (sudo -i) on the board, with the .bit and .hwh "
                "of one build"
            ) from None
        except (AttributeError, ValueError, KeyError) as e:
            raise DeviceError(
                f"{bitstream.with_suffix('.hwh')}: describes no accelerator behind a DMA ({e}); copy .bit and .hwh of "
                "one `make bitstream`"
            ) from None
        link._lock = lock
        return link

    # ------------------------------------------------------------------ registers
    def read(self, address: int) -> int:
        return int(self._registers.read(address)) & 0xFFFFFFFF

    def write(self, address: int, words: Sequence[int]) -> None:
        for word in words:
            self._registers.write(address, int(word))

    # ------------------------------------------------------------------ frames
    def exchange(self, frames: np.ndarray, words: int) -> Iterator[np.ndarray]:
        """While a frame goes in, the next one is copied into the other buffer; answers likewise."""
        if len(frames):
            self._buffers(frames.shape[1], words + 1)
            self._moving = True
            try:
                yield from self._move(frames)
            except RuntimeError as e:  # of the driver: a channel that is halted or not idle
                raise Fault(f"DMA: {e}") from None
            self._moving = False

    def _move(self, frames: np.ndarray) -> Iterator[np.ndarray]:
        count = len(frames)
        send, receive = self._dma.sendchannel, self._dma.recvchannel
        deadline = Deadline(self._timeout_s, self._clock)
        self._in[0][:] = frames[0]
        receive.transfer(self._out[0])
        send.transfer(self._in[0])
        sending, sent, done = True, 0, 0
        copied = 1  # frames in a buffer or beyond
        if count > 1:
            self._in[1][:] = frames[1]
            copied = 2
        while done < count:
            self._check_errors()
            if sending and send.idle:
                deadline.again()
                sent += 1
                sending = sent < count
                if sending:
                    send.transfer(self._in[sent % 2])
                if copied < count:
                    self._in[copied % 2][:] = frames[copied]
                    copied += 1
            if receive.idle:
                deadline.again()
                buffer, length = self._out[done % 2], self._dma.read(S2MM + LENGTH)
                receive.wait()  # makes the buffer's content visible
                done += 1
                if done < count:
                    receive.transfer(self._out[done % 2])
                yield np.array(buffer[: length // 4], np.uint32)
                deadline.again()  # the caller's time is not the device's
            elif deadline.over:
                what = f"frame {sent} does not go in" if sending else f"no answer to frame {done}"
                raise Fault(f"DMA time-out: {what} for {self._timeout_s:g} s")

    def _buffers(self, size: int, words: int) -> None:
        if self._in is None or self._in[0].shape != (size,) or self._out[0].shape != (words,):
            self._give_back()
            self._in = [self._allocate(shape=(size,), dtype=np.uint8) for _ in range(2)]
            self._out = [self._allocate(shape=(words,), dtype=np.uint32) for _ in range(2)]

    def _check_errors(self) -> None:
        for name, base in (("sending", MM2S), ("receiving", S2MM)):
            status = self._dma.read(base + STATUS)
            for bit, text in ERRORS.items():
                if status & bit:
                    raise Fault(f"DMA, {name}: {text}")

    # ------------------------------------------------------------------ reset
    def reset(self) -> None:
        """Reset of the DMA, then of the network; then both streams are made whole: what is left of a frame needs a
        tlast, what is left of an answer a buffer."""
        self._reset_dma()
        self._moving = False
        self._registers.write(r.CONTROL, 1)
        send, receive = self._dma.sendchannel, self._dma.recvchannel
        rest, end = self._allocate(shape=(4,), dtype=np.uint8), self._allocate(shape=(4,), dtype=np.uint32)
        rest[:] = 0
        deadline = Deadline(self._timeout_s, self._clock)
        armed = sending = False
        try:
            while True:
                status = self.read(r.STATUS)
                if not status:
                    break
                if sending and send.idle:
                    sending = False
                elif status >> r.STATUS_IN_FRAME[0] & 1 and not sending:
                    send.transfer(rest)
                    sending = True
                if armed and receive.idle:
                    armed = False
                elif not armed:
                    receive.transfer(end)
                    armed = True
                if deadline.over:
                    raise DeviceError(
                        f"the network does not come back from a reset within {self._timeout_s:g} s "
                        f"(status {status:#x}); load the bitstream again"
                    )
        finally:
            if armed or sending:
                self._reset_dma()  # nothing may be written to the buffers any more
            _free(rest)
            _free(end)

    def _reset_dma(self) -> None:
        self._dma.write(MM2S + CONTROL, RESET)  # of both channels
        deadline = Deadline(self._timeout_s, self._clock)
        while (self._dma.read(MM2S + CONTROL) | self._dma.read(S2MM + CONTROL)) & RESET:
            if deadline.over:
                limit = f"{self._timeout_s:g} s"
                raise DeviceError(f"the DMA does not come back from a reset within {limit}; boot the board")
        self._dma.sendchannel.start()
        self._dma.recvchannel.start()

    def _give_back(self) -> None:
        """The buffers' memory; first of all stops a DMA that may still write to it."""
        if self._moving:
            self._reset_dma()
            self._moving = False
        for buffer in [*(self._in or []), *(self._out or [])]:
            _free(buffer)
        self._in = self._out = None

    def close(self) -> None:
        self._give_back()
        if self._lock is not None:
            self._lock.close()
            self._lock = None


def _only_process() -> Any:
    """A lock that lasts as long as its file is open. Raises DeviceError where another process has it."""
    import fcntl

    lock = open(LOCK, "w", encoding="utf-8")  # noqa: SIM115  (held as long as the device)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        raise DeviceError(f"pynq: in use by another process; close it, or the notebook's kernel ({LOCK})") from None
    return lock


def _free(buffer: Any) -> None:
    if hasattr(buffer, "freebuffer"):
        buffer.freebuffer()
