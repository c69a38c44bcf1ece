# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""pyflow.runtime without RTL: files, errors, a real serial port (a pseudo-terminal) with a model of the device behind
it, PYNQ's names, Python 3.8. Against the RTL: tests/flow/test_runtime.py."""

from __future__ import annotations

import errno
import json
import os
import shutil
import sys
import threading
import time
import tty
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pyflow import registers as r
from pyflow import zoo
from pyflow.build import compile
from pyflow.runtime import Device, DeviceError, Fault, Files, FramesFailed
from pyflow.runtime.__main__ import main
from pyflow.runtime.files import Memory
from pyflow.runtime.link import Link
from pyflow.runtime.serial import framed, unframed
from verif.models import packet
from verif.models.host import Host


# Modules of Python that pyflow.runtime may import.
@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile(zoo.load("digits"), "icebreaker", tmp_path_factory.mktemp("digits")).folder / "host"


@pytest.fixture
def host(built: Path, tmp_path: Path) -> Path:
    """host/ of a build, to be damaged."""
    return Path(shutil.copytree(built, tmp_path / "host"))


# ------------------------------------------------------------------ files
def test_files(built: Path) -> None:
    files = Files.load(built)
    assert files == Files.load(built.parent)
    assert (files.network, files.board, files.classes) == ("digits", "icebreaker", 10)
    pixels, logits = files.vectors()
    network = zoo.load("digits")
    assert pixels.shape == (8, 64)
    assert logits.shape == (8, 10)
    np.testing.assert_array_equal(network.run(pixels.reshape(-1, 1, 8, 8)), logits)
    x = np.random.default_rng(1).random((3, 1, 8, 8))
    np.testing.assert_array_equal(files.frames.to_bytes(x), network.host_bytes(x))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(version=9), "version 9, this runtime reads 1"),
        (lambda d: d.pop("classes"), "damaged"),
        (lambda d: d.update(structure="x"), "damaged"),
        (lambda d: d["input"].update(shape=[1]), "damaged"),
        (lambda d: d.update(memories=[{"name": "w"}]), "damaged"),
    ],
)
def test_a_damaged_description_is_named(change: Callable[[Any], None], message: str, host: Path) -> None:
    document = json.loads((host / "device.json").read_text())
    change(document)
    (host / "device.json").write_text(json.dumps(document))
    with pytest.raises(DeviceError, match=message) as error:
        Files.load(host)
    assert "device.json" in str(error.value)
    assert "\n" not in str(error.value)


def test_missing_and_unreadable_files(host: Path, tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match=r"nowhere: no device.json in it or in its host/; name the folder"):
        Files.load(tmp_path / "nowhere")
    files = Files.load(host)
    np.savez(host / "vectors.npz", frames=np.zeros((2, 63), np.uint8), logits=np.zeros((2, 10)))
    with pytest.raises(DeviceError, match=r"\(2, 63\) frames and .* do not fit the network, 64 bytes and 10 logits"):
        files.vectors()
    np.savez(host / "vectors.npz", frames=np.zeros((0, 64), np.uint8), logits=np.zeros((0, 10)))
    with pytest.raises(DeviceError, match=r"vectors.npz: holds no frames; build again"):
        files.vectors()
    with (host / "vectors.npz").open("wb") as f:
        np.save(f, np.zeros(3))
    with pytest.raises(DeviceError, match=r"vectors.npz: not a readable .npz"):
        files.vectors()
    (host / "vectors.npz").write_bytes(b"PK\x03\x04 cut")
    with pytest.raises(DeviceError, match=r"vectors.npz: not a readable .npz"):
        files.vectors()
    (host / "vectors.npz").unlink()
    with pytest.raises(DeviceError, match=r"vectors.npz: not there; copy the whole folder host/"):
        files.vectors()
    (host / "device.json").write_text("{")
    with pytest.raises(DeviceError, match=r"device.json: not JSON .*make it again"):
        Files.load(host)


# ------------------------------------------------------------------ the serial line
def test_packets_are_those_of_the_model() -> None:
    rng = np.random.default_rng(0)
    for length in (4, 5, 52, 252):
        data = bytes(rng.choice([0xC0, 0xDB, 0xDC, 0xDD, 7], length).astype(np.uint8))
        line = framed(data)
        assert list(line) == packet.framed(list(data))
        assert unframed(line[1:-1]) == data
        for bad in (line[1:-2], line[1:-1] + b"\xdb", line[1:-1] + b"\xdb\x00", b"", line[2:-1]):
            assert unframed(bad) is None


class Board:
    """The model of volley_host_command behind a pseudo-terminal, around a network that knows the vectors."""

    def __init__(self, files: Files, **registers: int) -> None:
        self.files, self.requests = files, 0
        self.drop = self.mute = 0  # of the answers to come, how many get lost; all of them
        pixels, logits = files.vectors()
        self.answers = {p.tobytes(): logit for p, logit in zip(pixels, logits, strict=True)}
        self.registers = {
            r.ID: r.ID_VALUE_RESET, r.VERSION: r.VERSION_MAJOR_RESET << 16 | 1, r.STRUCTURE: files.structure,
            r.WEIGHTS: files.checksum, r.ERRORS: 0, r.FRAMES: 0, r.CYCLES: 5, r.CYCLES + 4: 1, r.IN_STALL: 6,
            r.IN_STALL + 4: 2, r.OUT_STALL: 7, r.OUT_STALL + 4: 3,
            r.SATURATED: 0, r.RESETS: 0, r.MEMORY: 0, r.LOAD: 0,
        } | {getattr(r, name): value for name, value in registers.items()}  # fmt: skip
        self.model = Host(dict(self.registers))
        self.far, near = os.openpty()
        tty.setraw(near)
        self.port = os.ttyname(near)
        self.near = near
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self) -> None:
        line = b""
        while True:
            try:
                data = os.read(self.far, 4096)
            except OSError:
                return
            if not data:
                return
            line += data
            *packets, line = line.split(b"\xc0")
            for request in filter(None, map(unframed, packets)):
                self._answer(request)

    def _answer(self, request: bytes) -> None:
        self.requests += 1
        before = len(self.model.frames)
        if request[1] & 3 == 3:
            self.number = 0
            self.model.registers[r.RESETS] += 1
        if request[1] & 3 == 2 and request[0] != self.model.seq and request[1] & 4:
            words = [word.to_bytes(4, "little") for word, _, _ in self.model.frames[self.begun :]]
            pixels = (b"".join(words) + request[4:])[: self.files.frames.frame_bytes]
            trailer = self.files.checksum << 16 | self.number
            self.model.results.extend((int(v) & 0xFFFFFFFF, False) for v in self.answers[pixels])
            self.model.results.append((trailer, True))
            self.number = self.number + 1 & 0xFF
            self.model.registers[r.FRAMES] += 1
        response = self.model.execute(list(request))
        if len(self.model.frames) > before and self.model.frames[-1][2]:
            self.begun = len(self.model.frames)
        if self.drop or self.mute:
            self.drop -= not self.mute
            return
        os.write(self.far, framed(bytes(response)))

    begun = number = 0

    def close(self) -> None:
        """The thread must have seen the end before its descriptor may be another board's."""
        os.close(self.near)
        self.thread.join(5)
        assert not self.thread.is_alive()
        os.close(self.far)


@pytest.fixture
def board(built: Path) -> Iterator[Board]:
    board = Board(Files.load(built))
    yield board
    board.close()


def test_over_a_real_port(board: Board) -> None:
    pixels, logits = board.files.vectors()
    with Device.open(f"serial:{board.port}", board.files.folder) as device:
        assert device.self_test().text == "self-test passed: digits on icebreaker, 8 frames, every logit equal"
        board.drop = 2  # the answer is asked for again, the frame is not counted twice
        np.testing.assert_array_equal(device.infer(pixels.reshape(-1, 1, 8, 8)), logits)
        stats = device.stats()
        assert stats["frames"] == 16
        whole = [stats[name] for name in ("cycles", "in_stall", "out_stall")]
        assert whole == [1 << 32 | 5, 2 << 32 | 6, 3 << 32 | 7]
        device.clear_errors()
        assert board.model.writes[-1] == (r.ERRORS, 0xFFFFFFFF)


@pytest.mark.slow
def test_a_board_that_falls_silent(board: Board) -> None:
    pixels, logits = board.files.vectors()
    with Device.open(f"serial:{board.port}", board.files.folder, timeout_s=0.1) as device:
        board.mute = 1
        with pytest.raises(DeviceError, match=r"no answer to a reset for 0.5 s .*is the board powered"):
            device.run_bytes(pixels)
        with pytest.raises(DeviceError, match=r"no answer to a reset for 0.5 s"):
            device.stats()
        board.mute = 0
        device.stats()
        np.testing.assert_array_equal(device.run_bytes(pixels).logits, logits)


def test_the_driver_is_no_slower_than_the_line(board: Board) -> None:
    """Frames of 76 bytes take 1.3 ms at 1 Mbaud with their answers: the driver waits for nothing else."""
    pixels, _ = board.files.vectors()
    with Device.open(f"serial:{board.port}", board.files.folder) as device:
        began = time.monotonic()
        device.run_bytes(np.tile(pixels, (25, 1)))
        each = (time.monotonic() - began) / 200
    assert each < 0.008, f"{1000 * each:.1f} ms per frame; waiting for a time-out of 10 ms each"


class Answering(Link):
    """Registers of the design that `files` describes."""

    def __init__(self, files: Files) -> None:
        self.registers = {
            r.ID: r.ID_VALUE_RESET, r.VERSION: r.VERSION_MAJOR_RESET << 16, r.STRUCTURE: files.structure,
            r.WEIGHTS: files.checksum,
        }  # fmt: skip

    def reset(self) -> None: ...

    def read(self, address: int) -> int:
        return self.registers.get(address, 0)


def test_a_cable_put_elsewhere(built: Path) -> None:
    """Behind each reset the device is asked again who it is."""
    files = Files.load(built)
    pixels, logits = files.vectors()

    class Moved(Answering):
        def exchange(self, frames: np.ndarray, words: int) -> Iterator[np.ndarray]:
            yield np.append(logits[0].astype(np.uint32), np.uint32(files.checksum << 16))
            self.registers[r.STRUCTURE] ^= 1
            raise Fault("the port is gone")

    done = Device(Moved(files), files).run_bytes(pixels)
    assert set(done.failures) == set(range(1, 8))
    assert "another design is loaded" in done.failures[1]
    assert (done.logits[0] == logits[0]).all()
    assert not done.logits[1:].any()


def test_a_dead_network_is_given_up(built: Path) -> None:
    """Three frames in a row without an answer, and the others are not waited for."""
    pixels, logits = Files.load(built).vectors()

    class Dead(Answering):
        asked = 0

        def exchange(self, frames: np.ndarray, words: int) -> Iterator[np.ndarray]:
            self.asked += 1
            if self.asked == 1:
                yield np.append(logits[0].astype(np.uint32), np.uint32(Files.load(built).checksum << 16))
            raise Fault("nothing moves")

    link = Dead(Files.load(built))
    done = Device(link, Files.load(built)).run_bytes(np.tile(pixels, (100, 1)), retries=1)
    assert link.asked == 6
    assert len(done.failures) == 799
    assert (done.logits[0] == logits[0]).all()
    assert done.failures[1] == "nothing moves"
    assert done.failures[799] == "not sent: 3 before it failed, nothing moves"


def test_an_interrupt_leaves_a_device_that_works(board: Board) -> None:
    pixels, logits = board.files.vectors()
    with Device.open(f"serial:{board.port}", board.files.folder) as device:
        exchange = device._link.exchange

        def stopped(frames: np.ndarray, words: int) -> Iterator[np.ndarray]:
            yield next(exchange(frames, words))
            raise KeyboardInterrupt

        device._link.exchange = stopped  # type: ignore[method-assign]
        with pytest.raises(KeyboardInterrupt):
            device.run_bytes(pixels)
        device._link.exchange = exchange  # type: ignore[method-assign]
        resets = board.model.resets
        np.testing.assert_array_equal(device.run_bytes(pixels).logits, logits)
        assert board.model.resets == resets + 1


@pytest.mark.parametrize(
    ("registers", "message"),
    [
        ({"ID": 1}, "no Volley design answers .id 0x00000001.; load the bitstream of digits"),
        ({"VERSION": 1 << 16 | 1}, "map 1 in the device, this runtime knows 2; load a bitstream of this release, or"),
        ({"VERSION": 3 << 16}, "register map 3 in the device, this runtime knows 2"),
        ({"STRUCTURE": 5}, "another design is loaded: structure 0x00000005, .*digits for icebreaker"),
    ],
)
def test_another_design_is_refused(registers: dict[str, int], message: str, built: Path) -> None:
    board = Board(Files.load(built), **registers)
    with pytest.raises(DeviceError, match=message):
        Device.open(f"serial:{board.port}", built)
    board.close()


def test_other_weights_are_reported_and_answer_nothing(built: Path) -> None:
    files = Files.load(built)
    board = Board(files, WEIGHTS=files.checksum ^ 1)
    with Device.open(f"serial:{board.port}", built) as device:
        assert device.stats()["weights"] == files.checksum ^ 1
        with pytest.raises(DeviceError, match=r"other weights in the device: checksum .*load the bitstream"):
            device.self_test()
    board.close()


def test_weights_that_do_not_fit(board: Board) -> None:
    files = board.files
    memory = Memory("w", 0, 2, 1)
    with Device.open(f"serial:{board.port}", files.folder) as device:
        for other, message in [
            (replace(files, structure=1), "structure 0x00000001, the design .* its weights do not fit"),
            (files, "no memory of this design can be written; compile it with memory .writable. in folding.json"),
            (replace(files, memories=(memory,)), "weights.npz: not there; copy the whole folder host/"),
        ]:
            with pytest.raises(DeviceError, match=message):
                device.load_weights(other)
        assert not any(address in (r.MEMORY, r.LOAD) for address, _ in board.model.writes)
        assert device.self_test().passed


def test_a_load_must_show_its_checksum(built: Path, host: Path) -> None:
    memory = Memory("w", 0, 2, 3)
    rows = np.arange(6, dtype=np.uint32).reshape(2, 3)
    np.savez(host / "weights.npz", w=rows)
    files = replace(Files.load(host), memories=(memory,))
    board = Board(files)
    with Device.open(f"serial:{board.port}", host) as device:
        with pytest.raises(DeviceError, match=r"weights loaded, but the device shows checksum .*; load them again"):
            device.load_weights(replace(files, loaded=files.checksum ^ 1))
        assert board.model.writes == [(r.MEMORY, 0xFFFFFFFF), (r.MEMORY, 0), *((r.LOAD, n) for n in range(6))]
        device.load_weights(files)  # the model keeps its checksum
        np.savez(host / "weights.npz", w=rows[:1])
        with pytest.raises(DeviceError, match=r"weights.npz: w is \(1, 3\), not \(2, 3\) words"):
            device.load_weights(files)
    board.close()


def test_ports_that_cannot_be_opened(board: Board, built: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DeviceError, match="/dev/nothing: no such port; ports here: "):
        Device.open("serial:/dev/nothing", built)
    with (
        Device.open(f"serial:{board.port}", built),
        pytest.raises(DeviceError, match="in use by another program; close it"),
    ):
        Device.open(f"serial:{board.port}", built)
    import serial

    def denied(*_: object, **__: object) -> None:
        raise serial.SerialException(errno.EACCES, "Permission denied")

    monkeypatch.setattr(serial, "Serial", denied)
    with pytest.raises(DeviceError, match=r"/dev/ttyUSB0: no permission; add yourself to the group .*dialout"):
        Device.open("serial:/dev/ttyUSB0", built)
    monkeypatch.setitem(sys.modules, "serial", None)
    with pytest.raises(DeviceError, match="pyserial: not installed; pip install pyserial"):
        Device.open("serial:/dev/ttyUSB0", built)


def test_devices_that_do_not_exist(built: Path) -> None:
    for target in ("usb", "serial", "serial:", ""):
        with pytest.raises(DeviceError, match=r"unknown; one of serial:PORT .*, pynq, rtlsim"):
            Device.open(target, built)
    with pytest.raises(DeviceError, match="pynq: not installed here; run this on the board"):
        Device.open("pynq", built)


def test_frames_of_another_shape(board: Board) -> None:
    with Device.open(f"serial:{board.port}", board.files.folder) as device:
        with pytest.raises(ValueError, match=r"input: shape \(1, 3, 3\) does not fit network 'digits'"):
            device.infer(np.zeros((1, 3, 3)))
        with pytest.raises(DeviceError, match=r"frames \(2, 3\): must be \[N, 64\] bytes"):
            device.run_bytes(np.zeros((2, 3), np.uint8))
        assert device.infer(np.zeros((0, 1, 8, 8))).shape == (0, 10)


# ------------------------------------------------------------------ command line
def test_the_command_line(board: Board, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = str(board.files.folder)
    device = ["--device", f"serial:{board.port}", "--files", files]
    assert main(["self-test", *device]) == 0
    assert capsys.readouterr().out == "self-test passed: digits on icebreaker, 8 frames, every logit equal\n"
    assert main(["demo", *device]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert len(shown) == 18
    assert sum(line.endswith("<") for line in shown) >= 1
    pixels, logits = board.files.vectors()
    np.save(tmp_path / "x.npy", pixels[:2].reshape(2, 1, 8, 8))
    assert main(["infer", *device, "--input", str(tmp_path / "x.npy")]) == 0
    assert f"frame 1: class {logits[1].argmax()}, logits {logits[1, 0]} " in capsys.readouterr().out
    resets = board.model.registers[r.RESETS]
    assert main(["stats", *device]) == 0
    stats = json.loads(capsys.readouterr().out)
    assert stats["cycles"] == 1 << 32 | 5, "what went before"
    assert stats["frames"] == 11, "what went before"
    assert board.model.registers[r.RESETS] == resets
    for arguments, message in [
        (["infer", *device], "infer: --input FILE is missing"),
        (["infer", *device, "--input", str(board.files.folder / "vectors.npz")], "an archive of several arrays"),
        (["infer", *device, "--input", "no.npy"], "no.npy: no such file"),
        (["self-test", *device, "--timeout", "0"], "--timeout 0 and --baud 1000000 must be positive"),
        (["self-test", *device, "--timeout", "nan"], "--timeout nan and --baud 1000000 must be positive"),
        (["selftest", *device], "unknown job; one of self-test, demo, infer, stats, load-weights"),
        (["self-test", *device[:3], "x" * 300], ": no device.json in it" if os.name == "nt" else "File name too long"),
        (["self-test", "--device", "serial:/dev/nothing", "--files", files], "/dev/nothing: no such port"),
        (["load-weights", *device], "--weights FOLDER is missing"),
    ]:
        assert main(arguments) == 2
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1


def test_a_failed_self_test_ends_in_status_1(board: Board, host: Path, capsys: pytest.CaptureFixture[str]) -> None:
    vectors = dict(np.load(host / "vectors.npz"))
    vectors["logits"][2, 7] -= 1
    np.savez(host / "vectors.npz", **vectors)
    assert main(["self-test", "--device", f"serial:{board.port}", "--files", str(host)]) == 1
    assert "self-test FAILED: digits on icebreaker, frame 2 of 8, logit 7: expected " in capsys.readouterr().err


def test_failed_frames_carry_the_others() -> None:
    error = FramesFailed(np.ones((3, 2), np.int64), {1: "no answer"})
    assert "1 of 3 frames failed; frame 1: no answer" in str(error)
    assert error.failures == {1: "no answer"}
