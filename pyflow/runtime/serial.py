# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""The serial line of volley_uart_top: packets, repeats, and a cable that comes and goes (docs/formats.md)."""

from __future__ import annotations

import contextlib
import errno
import time
import zlib
from typing import Any, Callable, Iterator, Sequence

import numpy as np

from pyflow.runtime.errors import DeviceError, Fault
from pyflow.runtime.link import Clock, Deadline, Link

READ, WRITE, STREAM, RESET = range(4)  # operations
LAST, WAIT = 4, 8  # flags of a command
BUS_ERROR, BROKEN = 2, 4  # bits of a status; bit 0: the words end with tlast
PAYLOAD = 248  # bytes of a request
WORDS = 63  # of a response
END, ESC = b"\xc0", b"\xdb"
TRIES = 4  # a request without an answer is sent so often


def framed(packet: bytes) -> bytes:
    """Bytes on the line for one packet: SLIP (RFC 1055) around it and its CRC-32."""
    line = packet + zlib.crc32(packet).to_bytes(4, "little")
    return END + line.replace(ESC, ESC + b"\xdd").replace(END, ESC + b"\xdc") + END


def unframed(line: bytes) -> bytes | None:
    """The packet between two end marks, or None where it is damaged."""
    parts = line.split(ESC)
    plain = parts[0]
    for part in parts[1:]:
        if part[:1] not in (b"\xdc", b"\xdd"):
            return None
        plain += (END if part[:1] == b"\xdc" else ESC) + part[1:]
    packet, checksum = plain[:-4], plain[-4:]
    return packet if len(packet) >= 4 and zlib.crc32(packet).to_bytes(4, "little") == checksum else None


class SerialLink(Link):
    """open_port: opens the port anew, an object with write(bytes), read(n) -> n bytes or what comes within its own
    short time-out, in_waiting (bytes that read() has at once) and close(); each raises OSError when the cable is out.
    baud: of the line [bit/s]. frame_s: longest time from the end of a frame to its answer [s]. reconnect_s: how long a
    port may be gone [s]. slack_s: what drivers and adapters add to an answer [s].
    """

    def __init__(
        self,
        open_port: Callable[[], Any],
        baud: int,
        frame_s: float = 0.5,
        reconnect_s: float = 10.0,
        slack_s: float = 0.1,
        clock: Clock = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._open_port, self._baud, self._frame_s = open_port, baud, frame_s
        self._reconnect_s, self._slack_s, self._clock, self._sleep = reconnect_s, slack_s, clock, sleep
        self._seq = 0
        self._line = b""
        self._port = open_port()

    # ------------------------------------------------------------------ Link
    def attach(self) -> None:
        # The device may remember a request of another host with our next number, and would repeat its response: of two
        # numbers at most one is that.
        for _ in range(2):
            self._ask(READ, expected=1)

    def reset(self) -> None:
        deadline, last = Deadline(self._reconnect_s, self._clock), "no answer"
        while True:
            try:
                if self._port is None:
                    self._port = self._open_port()
                self._ask(RESET)
                return
            except Fault as e:
                last = str(e)
            except OSError as e:
                self._drop_port()
                last = e.strerror or str(e)
            if deadline.over:
                raise DeviceError(
                    f"serial: no answer to a reset for {self._reconnect_s:g} s ({last}); is the board powered, is its "
                    f"bitstream loaded (`make program`), is this its port, and {self._baud:,} its rate?"
                )
            self._sleep(min(0.2, self._reconnect_s / 10))

    def read(self, address: int) -> int:
        _, words = self._ask(READ, address, expected=1)
        if len(words) != 1:
            raise Fault(f"register {address:#05x}: answered with {len(words)} words instead of one")
        return int(words[0])

    def write(self, address: int, words: Sequence[int]) -> None:
        data = np.asarray(words, "<u4").tobytes()
        for start in range(0, len(data), PAYLOAD):
            self._ask(WRITE, address, data[start : start + PAYLOAD])

    def exchange(self, frames: np.ndarray, words: int) -> Iterator[np.ndarray]:
        for frame in frames:
            data = frame.tobytes()
            parts = [data[start : start + PAYLOAD] for start in range(0, len(data), PAYLOAD)]
            answer: list[np.ndarray] = []
            ended = False
            for n, part in enumerate(parts):
                flags = LAST | WAIT if n == len(parts) - 1 else 0
                ended, some = self._stream(flags, part, words)
                answer.append(some)
            while not ended and sum(map(len, answer)) <= words:
                ended, some = self._stream(WAIT, b"", words)
                answer.append(some)
            if not ended:
                raise Fault(f"answer of more than {words} words")
            yield np.concatenate(answer)[: words + 1]

    def close(self) -> None:
        self._drop_port()

    # ------------------------------------------------------------------ requests
    def _stream(self, flags: int, payload: bytes, expected: int) -> tuple[bool, np.ndarray]:
        status, words = self._ask(STREAM | flags, 0, payload, min(expected, WORDS))
        if status & BROKEN:
            raise Fault("the network was stuck and has been reset")
        return bool(status & 1), words

    def _ask(self, command: int, address: int = 0, payload: bytes = b"", expected: int = 0) -> tuple[int, np.ndarray]:
        """(status, words) of the response, of `expected` words at most. Whatever is lost on the way, the request is
        executed once."""
        self._seq = self._seq + 1 & 0xFF
        request = framed(bytes([self._seq, command, address & 0xFF, address >> 8]) + payload)
        # Both ways at the line's rate (every byte may be escaped), the network's time, what drivers and adapters add.
        line = len(request) + 2 * (10 + 4 * expected)
        wait = 10 * line / self._baud + (self._frame_s if command & WAIT else 0.0) + self._slack_s
        for _ in range(TRIES):
            if self._port is None:
                raise Fault("the port is gone")
            try:
                self._port.write(request)
                response = self._response(command, wait)
            except OSError as e:
                self._drop_port()
                raise Fault(f"the port is gone ({e.strerror or e})") from None
            if response is not None:
                status, words = response[2], np.frombuffer(response[4:], "<u4")
                if status & BUS_ERROR:
                    raise Fault(f"register {address:#05x}: bus error")
                return status, words
        raise Fault(f"no answer to {TRIES} requests")

    def _response(self, command: int, wait: float) -> bytes | None:
        """The packet that answers the present request, or None if none comes in time; others are old or damaged."""
        deadline = Deadline(wait, self._clock)
        while not deadline.over:
            # read(n) waits until there are n, and there may be fewer in all.
            line = self._line + self._port.read(max(1, self._port.in_waiting))
            *packets, self._line = line.split(END)
            self._line = self._line[-1024:]  # noise without an end mark
            for packet in map(unframed, packets):
                if packet and packet[:2] == bytes([self._seq, command]) and len(packet) == 4 + 4 * packet[3]:
                    return packet
        return None

    def _drop_port(self) -> None:
        port, self._port, self._line = self._port, None, b""
        try:
            if port is not None:
                port.close()
        except OSError:
            pass  # it is gone


def open_serial(path: str, baud: int, frame_s: float, reconnect_s: float) -> SerialLink:
    """SerialLink over the port `path` of this computer. Raises DeviceError where it cannot be opened."""
    try:
        import serial
    except ImportError:
        raise DeviceError("pyserial: not installed; pip install pyserial") from None

    def open_port() -> Any:
        try:
            port = serial.Serial(path, baud, timeout=0.01, write_timeout=2.0, exclusive=True)
            port.reset_input_buffer()
        except (ValueError, OverflowError) as e:
            raise DeviceError(f"{path}: cannot be set to {baud:,} baud ({e}); give the rate of board.toml") from None
        except OSError:
            raise
        except Exception as e:  # termios.error is no OSError
            raise OSError(errno.EIO, str(e)) from None
        # An adapter may know no such thing.
        with contextlib.suppress(AttributeError, NotImplementedError, ValueError, OSError):
            port.set_low_latency_mode(True)  # an FTDI holds bytes back for 16 ms otherwise
        return port

    try:
        return SerialLink(open_port, baud, frame_s, reconnect_s)
    except OSError as e:
        raise DeviceError(_why_not(path, e)) from None


def _why_not(path: str, e: OSError) -> str:
    if e.errno == errno.ENOENT:
        from serial.tools.list_ports import comports

        there = ", ".join(sorted(port.device for port in comports())) or "none; is the cable in?"
        return f"{path}: no such port; ports here: {there}"
    if e.errno == errno.EACCES:
        return f"{path}: no permission; add yourself to the group that owns it (usually dialout) and log in again"
    if e.errno in (errno.EAGAIN, errno.EBUSY, errno.EWOULDBLOCK) or "lock" in str(e):
        return f"{path}: in use by another program; close it (`fuser {path}` names it)"
    return f"{path}: cannot be opened as a serial port ({e.strerror or e}); name the port of the board's UART"
