# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""A device that runs one network: frames in, answers checked, registers, weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, TypeVar

import numpy as np

from pyflow import registers as r
from pyflow.frames import flag_names
from pyflow.runtime.errors import DeviceError, Fault, FramesFailed
from pyflow.runtime.files import Files
from pyflow.runtime.link import Link

BEGIN = 0xFFFFFFFF  # written to MEMORY: a new set of weights follows
RUN = 256  # frames whose answers are believed together
GIVE_UP = 3  # so many frames behind one another fail: those that follow would as well
GREETINGS = 5  # a device that does not say who it is is asked so often

T = TypeVar("T")


@dataclass(frozen=True)
class Inference:
    """logits: int64 [N, classes], zero where a frame failed. failures: frame -> why it has no answer. repeated: frames
    that were sent more than once."""

    logits: np.ndarray
    failures: dict[int, str]
    repeated: int


@dataclass(frozen=True)
class SelfTest:
    """passed: every logit of every vector is the reference's. text: what a person reads, the first difference named."""

    passed: bool
    text: str

    def __str__(self) -> str:
        return self.text


class Device:
    """One network in one device. Made by open(); usable in a `with`."""

    def __init__(self, link: Link, files: Files, *, reset: bool = True) -> None:
        """Over `link`, for the design that `files` describes. reset: as for open(). Raises DeviceError where another
        design is loaded."""
        self._link, self.files = link, files
        self._number = 0  # of the next frame since the reset
        self._stale = True  # streams must be reset before frames go in
        if not reset:
            try:
                link.attach()
                self._greet()
                return
            except Fault:
                pass
        self._reset()

    @classmethod
    def open(
        cls, target: str, files: Any = ".", *, timeout_s: float = 2.0, baud: int = 1_000_000, reset: bool = True
    ) -> Device:
        """The device behind `target`:

        "serial:PORT"  a board with a UART (baud: its rate, as board.toml has it)
        "pynq"         this Zynq board; loads <board>.bit, which lies in host/ or beside it
        "rtlsim"       no board: the RTL in Verilator, built on first use

        files: the folder host/ of the build, or the one it lies in. timeout_s: how long nothing may move. reset: at
        once; else with the first frames, so that stats() tells of what went before. Raises DeviceError where there is
        no such device, or another design is loaded.
        """
        known = Files.load(files)
        kind, _, port = target.partition(":")
        link: Link
        if kind == "serial" and port:
            from pyflow.runtime.serial import open_serial

            latency = (known.latency_cycles + known.cycles_per_frame) / (known.clock_mhz * 1e6)
            link = open_serial(port, baud, frame_s=2 * latency + 0.05, reconnect_s=5 * timeout_s)
        elif target == "pynq":
            from pyflow.runtime.pynq import PynqLink

            link = PynqLink.open(_bitstream(known), timeout_s)
        elif target == "rtlsim":
            from pyflow.runtime.rtlsim import RtlSimLink

            link = RtlSimLink(known)
        else:
            raise DeviceError(f"device {target!r}: unknown; one of serial:PORT (serial:/dev/ttyUSB1), pynq, rtlsim")
        try:
            return cls(link, known, reset=reset)
        except BaseException:
            link.close()
            raise

    def close(self) -> None:
        self._link.close()

    def __enter__(self) -> Device:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ------------------------------------------------------------------ frames
    def infer(self, x: Any, *, retries: int = 3) -> np.ndarray:
        """Logits of frames `x` ([N, C, H, W] and the like, as Network.run takes them): int64 [N, classes].

        A frame that fails is sent up to `retries` more times. Raises FramesFailed where some then still have no answer;
        it carries the others.
        """
        x = np.asarray(x)
        # Run by run: a conversion takes many times the memory of its frames.
        parts = [self.files.frames.to_bytes(x[n : n + RUN]) for n in range(0, max(1, len(x) if x.ndim else 1), RUN)]
        done = self.run_bytes(np.concatenate(parts), retries=retries)
        if done.failures:
            raise FramesFailed(done.logits, done.failures)
        return done.logits

    def run_bytes(self, frames: np.ndarray, *, retries: int = 3) -> Inference:
        """Frames as bytes, uint8 [N, bytes], as InputFormat.to_bytes() lays them out; never raises FramesFailed.

        Raises DeviceError where the device is gone, or another one, before the first answer.
        """
        if frames.ndim != 2 or frames.shape[1] != self.files.frames.frame_bytes:
            raise DeviceError(f"frames {frames.shape}: must be [N, {self.files.frames.frame_bytes}] bytes")
        logits = np.zeros((len(frames), self.files.classes), np.int64)
        failures: dict[int, str] = {}
        tries = np.zeros(len(frames), np.int64)
        todo = 0  # the first frame without an answer
        silent = 0  # frames behind one another that failed
        while todo < len(frames):
            try:
                answers, fault = self._attempt(frames[todo : todo + RUN])
            except DeviceError as e:
                if not todo:
                    raise
                failures.update((n, str(e)) for n in range(todo, len(frames)))
                break
            if answers:
                silent = 0
                logits[todo : todo + len(answers)] = answers
                todo += len(answers)
            if fault:
                # The frame whose turn it was is to blame; those behind it are lost with the streams' content.
                tries[todo] += 1
                if tries[todo] > retries:
                    failures[todo] = fault
                    todo += 1
                    silent += 1
                if silent == GIVE_UP:
                    reason = f"not sent: {silent} before it failed, {fault}"
                    failures.update((n, reason) for n in range(todo, len(frames)))
                    break
        return Inference(logits, failures, int((tries > 0).sum()))

    def _attempt(self, frames: np.ndarray) -> tuple[list[np.ndarray], str]:
        """(logits of the first frames, what stopped the others, "" if nothing)."""
        answers: list[np.ndarray] = []
        fault = ""
        if self._stale:
            self._reset()
        self.check_weights()
        self._stale = True  # until all has gone well: an interrupt may come at any time
        try:
            for words in self._link.exchange(frames, self.files.classes + 1):
                answers.append(self._believed(words, self._number + len(answers) & 0xFF))
            if len(answers) < len(frames):
                raise Fault("no answer")
        except Fault as e:
            fault = str(e)
        # A reset that is not ours begins the numbers anew: another frame's answer could have the number expected.
        try:
            if self._link.read(r.RESETS) != self._resets:
                raise Fault("the network was reset by something else")
        except Fault as e:
            answers, fault = [], fault or str(e)
        self._number = self._number + len(answers) & 0xFF
        self._stale = bool(fault)
        return answers, fault

    def _believed(self, words: np.ndarray, expected: int) -> np.ndarray:
        """Logits of an answer; Fault where it is not that of frame `expected` (modulo 256)."""
        if len(words) != self.files.classes + 1:
            raise Fault(f"answer of {len(words)} words instead of {self.files.classes + 1}")
        trailer = int(words[-1])
        flags, number, checksum = trailer >> 8 & 0xFF, trailer & 0xFF, trailer >> 16
        if flags:
            names = flag_names(flags) or [f"flags {flags:#04x}"]
            raise Fault(f"answer marked: {', '.join(names)}")
        if number != expected:
            raise Fault(f"answer of frame {number} instead of {expected} (modulo 256)")
        if checksum != self._weights:
            raise Fault(f"answer by weights {checksum:#06x} instead of {self._weights:#06x}")
        return words[:-1].astype(np.int32).astype(np.int64)

    # ------------------------------------------------------------------ identity
    def _reset(self) -> None:
        """Streams empty, next frame number 0, and still the same design (a cable may have been put elsewhere)."""
        for left in reversed(range(GREETINGS)):
            try:
                self._link.reset()
                self._greet()
                break
            except Fault as e:
                if not left:
                    raise DeviceError(f"the device does not answer: {e}") from None
        self._number, self._stale = 0, False

    def _greet(self) -> None:
        found = self._link.read(r.ID)
        if found != r.ID_VALUE_RESET:
            hint = f"load the bitstream of {self.files.network}"
            raise DeviceError(f"no Volley design answers (id {found:#010x}); {hint}")
        major = self._link.read(r.VERSION) >> r.VERSION_MAJOR[0]
        if major != r.VERSION_MAJOR_RESET:
            raise DeviceError(
                f"register map {major} in the device, this runtime knows {r.VERSION_MAJOR_RESET}; load a bitstream of "
                "this release, or run the pyflow in host/ of the build that is loaded"
            )
        structure = self._link.read(r.STRUCTURE)
        if structure != self.files.structure:
            raise DeviceError(
                f"another design is loaded: structure {structure:#010x}, {self.files.folder} is of "
                f"{self.files.structure:#010x} ({self.files.network} for {self.files.board}); load that bitstream, or "
                "name the folder of the one that is loaded"
            )
        self._weights = self._link.read(r.WEIGHTS) & 0xFFFF
        self._resets = self._link.read(r.RESETS)

    def check_weights(self) -> None:
        """Raises DeviceError unless the weights in the device are those of the files."""
        if self._weights not in (self.files.checksum, self.files.loaded):
            way = "load_weights() writes them" if self.files.memories else "load the bitstream that belongs to them"
            raise DeviceError(
                f"other weights in the device: checksum {self._weights:#06x}, {self.files.folder} has "
                f"{self.files.checksum:#06x}; {way}"
            )

    # ------------------------------------------------------------------ registers
    def stats(self) -> dict[str, Any]:
        """Counters since the last reset: cycles, in_stall, out_stall (cycles, 64 bits); frames, saturated (neurons x
        steps), which wrap at 2^32; errors: names of the sticky ones; weights: checksum. Of a design with probes also
        layers: for each its spikes, and stalls (cycles) by the stream in front of it."""
        return self._insist(self._stats)

    def _stats(self) -> dict[str, Any]:
        read = self._link.read
        errors = read(r.ERRORS)
        found: dict[str, Any] = {
            "frames": read(r.FRAMES),
            "cycles": self._read64(r.CYCLES),
            "in_stall": self._read64(r.IN_STALL),
            "out_stall": self._read64(r.OUT_STALL),
            "saturated": read(r.SATURATED),
            "errors": flag_names(errors),
            "weights": read(r.WEIGHTS) & 0xFFFF,
        }
        layers: dict[str, Any] = {}
        for probe in self.files.probes:
            self._link.write(r.PROBE, [probe.index])
            count, layer = read(r.PROBE_COUNT), layers.setdefault(probe.layer, {})
            if probe.counts == "stalls":
                layer.setdefault("stalls", {})[probe.stream] = count
            else:
                layer["spikes"] = count
        return {**found, "layers": layers} if layers else found

    def _read64(self, address: int) -> int:
        """A counter of 64 bits: reading the low word keeps the high word of the same cycle."""
        low = self._link.read(address)
        return self._link.read(address + 4) << 32 | low

    def clear_errors(self) -> None:
        """Clears the sticky errors of stats()."""
        self._insist(lambda: self._link.write(r.ERRORS, [0xFFFFFFFF]))

    def _insist(self, access: Callable[[], T]) -> T:
        """`access`, again behind a reset where it fails at first: a cable may have been out and back."""
        try:
            return access()
        except Fault:
            self._reset()
        try:
            return access()
        except Fault as e:
            raise DeviceError(f"the device does not answer: {e}") from None

    # ------------------------------------------------------------------ weights
    def load_weights(self, files: Any) -> str:
        """Writes the weights of another build of the same structure (its host/) into the device; says what was done.

        Thresholds and biases are weights too. Raises DeviceError where the structure differs (memories that cannot be
        written belong to it), or where the device then shows another checksum than that of these weights. The vectors
        of the self-test and everything else are then those of `files`.
        """
        new = files if isinstance(files, Files) else Files.load(files)
        old = self.files
        if new.structure != old.structure:
            raise DeviceError(
                f"{new.folder}: structure {new.structure:#010x}, the design in the device has {old.structure:#010x}; "
                f"its weights do not fit. Convert with like= the network of {old.folder.parent}, compile with its "
                'folding.json; layers that differ need memory "writable" in it'
            )
        if not new.memories:
            raise DeviceError(
                f'{old.folder}: no memory of this design can be written; compile it with memory "writable" in '
                "folding.json"
            )
        images = new.images()
        try:
            self._reset()  # nothing may be under way
            self._link.write(r.MEMORY, [BEGIN])
            for memory in new.memories:
                self._link.write(r.MEMORY, [memory.index])
                self._link.write(r.LOAD, [int(word) for word in images[memory.name].reshape(-1)])
            self._reset()  # sources of weights have fetched ahead
        except Fault as e:
            self._stale = True
            raise DeviceError(f"weights half loaded: {e}; load them again") from None
        if self._weights != new.loaded:
            raise DeviceError(
                f"weights loaded, but the device shows checksum {self._weights:#06x} instead of {new.loaded:#06x}; "
                "load them again"
            )
        self.files = new
        words = sum(m.rows * m.words for m in new.memories)
        return f"weights of {new.network} loaded: {words:,} words into {len(new.memories)} memories"

    # ------------------------------------------------------------------ self-test
    def self_test(self) -> SelfTest:
        """Replays the vectors of the build; the first difference is named."""
        frames, logits = self.files.vectors()
        done = self.run_bytes(frames)
        name = f"{self.files.network} on {self.files.board}"
        for n, why in sorted(done.failures.items())[:1]:
            return SelfTest(False, f"self-test FAILED: {name}, frame {n} of {len(frames)}: no answer ({why})")
        wrong = np.argwhere(done.logits != logits)
        if len(wrong):
            n, k = (int(i) for i in wrong[0])
            where = f"frame {n} of {len(frames)}, logit {k}: expected {logits[n, k]}, got {done.logits[n, k]}"
            return SelfTest(False, f"self-test FAILED: {name}, {where}; {len(set(wrong[:, 0]))} frames differ")
        again = f", {done.repeated} sent again" if done.repeated else ""
        return SelfTest(True, f"self-test passed: {name}, {len(frames)} frames, every logit equal{again}")


def _bitstream(files: Files) -> Path:
    for folder in (files.folder, files.folder.parent):
        path = folder / f"{files.board}.bit"
        if path.exists():
            return path
    return files.folder.parent / f"{files.board}.bit"
