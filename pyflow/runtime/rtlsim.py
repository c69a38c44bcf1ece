# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""The RTL of a build in Verilator as a device. Needs the whole of pyflow, unlike the other ways."""

from __future__ import annotations

import contextlib
import subprocess
from typing import Iterator, Sequence

import numpy as np

from pyflow.errors import VolleyError
from pyflow.runtime.errors import DeviceError, Fault
from pyflow.runtime.files import Files
from pyflow.runtime.link import Link

AHEAD = 8  # frames that are sent before the first answer is asked for


class RtlSimLink(Link):
    """files: host/ of a build that has its rtl/ beside it."""

    def __init__(self, files: Files) -> None:
        try:
            from pyflow.backends.verilator import build_server
            from pyflow.design_files import DesignFiles
        except (ImportError, SyntaxError):
            raise DeviceError("rtlsim: needs all of pyflow; pip install volley-snn, on a computer with g++") from None
        rtl = files.folder.parent / "rtl"
        try:
            DesignFiles.found_in(rtl)
        except VolleyError:
            raise DeviceError(
                f"{rtl}: no RTL there; give the host/ of a build, which compile() makes beside rtl/"
            ) from None
        self._limit = 4 * (files.latency_cycles + files.cycles_per_frame) + 1000
        try:
            program = build_server(rtl)
        except VolleyError as e:
            raise DeviceError(f"rtlsim: {e}; a build of another release has to be compiled again") from None
        # Memory images are named without a folder: the simulation runs where they lie.
        self._process = subprocess.Popen(
            [str(program)], cwd=str(rtl), stdin=subprocess.PIPE, stdout=subprocess.PIPE, universal_newlines=True
        )

    def reset(self) -> None:
        self._ask("Z")

    def read(self, address: int) -> int:
        answer = self._ask(f"R {address}")
        if answer == "E":
            raise Fault(f"register {address:#05x}: bus error")
        return int(answer)

    def write(self, address: int, words: Sequence[int]) -> None:
        for word in words:
            if self._ask(f"W {address} {int(word)}") == "E":
                raise Fault(f"register {address:#05x}: bus error")

    def exchange(self, frames: np.ndarray, words: int) -> Iterator[np.ndarray]:
        sent = 0
        for n in range(len(frames)):
            while sent < min(len(frames), n + AHEAD):
                self._say(f"F {frames[sent].tobytes().hex()}")
                sent += 1
            answer = self._ask(f"A {self._limit}")
            if answer == "T":
                raise Fault(f"no answer, and nothing moved for {self._limit:,} cycles")
            yield np.array(answer.split(), np.uint32)[: words + 1]

    def close(self) -> None:
        assert self._process.stdin
        assert self._process.stdout
        with contextlib.suppress(OSError):  # it has ended already
            self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def _say(self, line: str) -> None:
        assert self._process.stdin
        try:
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
        except OSError:
            raise DeviceError(f"rtlsim: the simulation has ended (status {self._process.poll()})") from None

    def _ask(self, line: str) -> str:
        self._say(line)
        assert self._process.stdout
        answer = self._process.stdout.readline()
        if not answer:
            raise DeviceError(f"rtlsim: the simulation has ended (status {self._process.wait()})")
        return answer.strip()
