# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""compile() lays a network on a board; the Build simulates it and says where it differs."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from pyflow import network_file
from pyflow.backends.verilator import BUILT, QUICK
from pyflow.emit import is_ours, write_host
from pyflow.errors import VolleyError
from pyflow.graph import Network
from pyflow.machine import Emitted, Machine, Plan, Run, Simulator, Target
from pyflow.machines.stream import STREAM
from pyflow.out_folder import AUTO, OutFolder, would_be_lost
from pyflow.planning.board import load_board
from pyflow.workspace import Design, default_folder, held
from pyflow.writing import NEW

CONTEXT = 8  # frames simulated ahead of a mismatching one, so that what leaked into it is there again


@dataclass(frozen=True, slots=True)
class Mismatch:
    """First word of a frame's streams, in network order, that is not the reference's. got is None where
    the beat never came."""

    frame: int
    layer: str
    channel: int
    y: int
    x: int
    expected: int
    got: int | None
    step: int | None = None  # time step, of a tensor with time

    def __str__(self) -> str:
        got = "nothing (the stream stopped)" if self.got is None else str(self.got)
        time = "" if self.step is None else f"step {self.step}, "
        where = f"frame {self.frame}, {time}layer {self.layer}, channel {self.channel}, pixel (y={self.y}, x={self.x})"
        return f"{where}: expected {self.expected}, got {got}"


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """logits: int64 [frames answered, classes]. cycles_per_frame: mean gap of the answers' tlast over the
    settled second half (None below three frames, where there is no gap to measure).
    latency_cycles: first pixel word in to last logit out, empty pipeline. stalls: cycles per frame with a
    beat offered and not taken, by stream. layers: per layer {measured_cycles}. flags: error flags per
    frame. saturations: neurons x steps that LIF layers clipped, over all frames; exact where every frame
    was tapped (without, what no logit depends on may be under way at the end).
    cpu_s: of the simulator. taps: frames of which every stream was recorded."""

    logits: np.ndarray
    cycles_per_frame: float | None
    latency_cycles: int
    stalls: dict[str, float]
    layers: dict[str, dict[str, float]]
    flags: np.ndarray
    saturations: int
    cpu_s: float
    stuck: bool
    taps: int
    run: Run


@dataclass(frozen=True, slots=True, eq=False)
class Build:
    """A compiled network. folder: holds network.vly, folding.json, rtl/ and what simulations leave."""

    network: Network
    plan: Plan
    folder: Path
    emitted: Emitted  # what was written into rtl/
    checked: bool = False  # simulate with the RTL's assertions (slower)
    rtl_sources: tuple[Path, ...] | None = None  # cores to simulate instead of rtl/rtl.f's
    probed: bool = False  # with the counters of pyflow.emit.probes
    design: Design | None = None  # what the folder is held for; None where it is no other run's business
    stamp: str = ""  # of the folder's content, as compile() left it
    _programs: dict[tuple[str, bool], Path] = field(default_factory=dict, repr=False)

    @property
    def rtl(self) -> Path:
        return self.folder / "rtl"

    @contextlib.contextmanager
    def alone(self, job: str) -> Iterator[None]:
        """The folder for this build alone. Raises VolleyError where it has been compiled anew with something else."""
        with held(self.folder, self.design, job):
            if self.stamp and _stamp(self.folder) != self.stamp:
                raise VolleyError(
                    f"{self.folder}: has since been compiled with other weights or options; compile this network "
                    "again, in a folder of its own"
                )
            yield

    def cycles(self, frames: int, solo: int = 1) -> float:
        """Cycles that a simulation of `frames` takes, the first `solo` of them one at a time."""
        return frames * self.plan.cycles_per_frame + (1 + solo) * self.plan.latency_cycles

    def simulator(self, trace: str = "", cycles: float = math.inf) -> Path:
        """Path of the simulator, built if need be. trace: "vcd" or "saif", where it is to record. cycles: that it is
        wanted for; one for a few is built more quickly, unless there is one for many."""
        most = BUILT if (trace, True) in self._programs else QUICK
        quick = cycles <= most and (trace, False) not in self._programs
        if (trace, quick) not in self._programs:
            self._programs[trace, quick] = self._simulator().build(trace=trace, quick=quick)
        return self._programs[trace, quick]

    def _simulator(self) -> Simulator:
        return self.plan.simulator(self.rtl, checked=self.checked, probed=self.probed, sources=self.rtl_sources)

    def simulate(
        self,
        x: np.ndarray,
        *,
        taps: int = 1,
        solo: int = 1,
        stall_in: float = 0.0,
        stall_out: float = 0.0,
        seed: int = 0,
        vcd: Path | None = None,
        saif: Path | None = None,
        progress: Callable[[int], None] | None = None,
        words: np.ndarray | None = None,
    ) -> Result:
        """Simulate frames `x` (as Network.run takes them) in RTL.

        taps: frames of which every stream is recorded; 0 leaves stalls and layers uncounted too (faster).
        solo: first frames sent one at a time; the first gives the latency. vcd, saif: file for waves, or for the
        activity of every signal, one of them. stall_*: probability of a stalled cycle. words: 32-bit words sent of
        each frame, where it is to be too short or too long.
        """
        network = self.network
        raw = network.host_bytes(x)
        if not len(raw):
            raise VolleyError("simulate: no frames; give at least one")
        if words is not None and (np.shape(words) != (len(raw),) or np.min(words) < 1):
            raise VolleyError(f"simulate: words must be {len(raw)} counts of at least 1, one per frame")
        limit = 4 * (self.plan.latency_cycles + self.plan.cycles_per_frame) + 1000
        scale = max(1.0, 1 / max(0.02, 1 - stall_in), 1 / max(0.02, 1 - stall_out))
        with self.alone("simulation"):
            run = self._simulator().run(
                self.simulator("vcd" if vcd else "saif" if saif else "", scale * self.cycles(len(raw), solo)),
                raw,
                self.folder / "sim",
                taps=taps,
                solo=solo,
                stall_in=stall_in,
                stall_out=stall_out,
                seed=seed,
                limit=int(limit * scale),
                vcd=vcd,
                saif=saif,
                progress=progress,
                words=words,
            )
        self._check_weights(run.words[:, -1] >> 16 & 0xFFFF)
        done = len(run.words)
        gaps = np.diff(run.times[solo:, 2].astype(np.int64))
        frames = max(1, done)
        streams = run.stats["streams"]
        layers = {name: {"measured_cycles": busy} for name, busy in self._simulator().cycles(run).items()}
        return Result(
            run.words[:, :-1].astype(np.int64),
            float(gaps[len(gaps) // 2 :].mean()) if len(gaps) else None,
            int(run.times[0, 1] - run.times[0, 0]) if done else 0,
            {name: s["stalls"] / frames for name, s in streams.items()},
            layers,
            (run.words[:, -1] >> 8) & 0xFF,
            run.stats["saturated"],
            run.cpu_s,
            bool(run.stats["stuck"]),
            taps,
            run,
        )

    def _check_weights(self, answered: np.ndarray) -> None:
        """Other weights than this build's are no fault of the hardware."""
        checksum = self.emitted.checksum
        if (answered != checksum).any():
            frame = int((answered != checksum).argmax())
            raise VolleyError(
                f"simulation: frame {frame} was answered by weights of checksum {int(answered[frame]):#06x}, this "
                f"build has {checksum:#06x}: the simulator or {self.rtl} belongs to other weights; compile again "
                "in a folder of its own, or `make clean`"
            )

    def tensors(self, result: Result, frames: int) -> Iterator[tuple[str, np.ndarray]]:
        """Recorded tensors in network order: (name, int64 [frames, pixels, C], or [frames, T, pixels, C] of a tensor
        with time)."""
        if not result.run.recorded():
            raise VolleyError(f"{result.run.folder}: the recorded streams are those of a later run; simulate again")
        yield from self._simulator().tensors(result.run, frames)

    def first_mismatch(self, x: np.ndarray, result: Result) -> Mismatch | None:
        """Compare every recorded stream of every frame of `x` with the reference; the earliest difference."""
        _, trace = self.network.run(x, trace=True)
        found: list[tuple[tuple[int, float, int], Mismatch]] = []
        late = self._behind_time()
        for depth, (name, got) in enumerate(self.tensors(result, len(x))):
            want = trace[name]
            timed, width = want.ndim == 5, want.shape[-1]
            want = np.moveaxis(want, -3, -1).reshape(*want.shape[: 1 + timed], -1, want.shape[-3])
            bad = np.argwhere(want[: len(got)] != got)
            if len(bad):
                at = tuple(int(i) for i in bad[0])
                value: int | None = int(got[at])
            elif len(got) < min(len(want), result.taps):
                at, value = (len(got), *[0] * (want.ndim - 1)), None
            else:
                continue
            frame, (pixel, channel), step = at[0], at[-2:], at[1] if timed else None
            # Step by step, since a state edge may lead back; what has no time comes before or after all steps.
            order = step if step is not None else math.inf if name in late else -1
            found.append(
                (
                    (frame, order, depth),
                    Mismatch(frame, name, channel, pixel // width, pixel % width, int(want[at]), value, step),
                )
            )
        return min(found, key=lambda f: f[0])[1] if found else None

    def _behind_time(self) -> set[str]:
        """Tensors that depend on one with time."""
        late = {name for name, tensor in self.network.tensors.items() if tensor.timed}
        for op in self.network.operators:
            if late & set(op.inputs):
                late.add(op.name)
        return late

    def locate(self, x: np.ndarray, frame: int) -> Mismatch | None:
        """Simulate again up to `frame` with every stream recorded, and find where it first goes wrong."""
        for start in dict.fromkeys((max(0, frame - CONTEXT), 0)):
            part = x[start : frame + 2]
            mismatch = self.first_mismatch(part, self.simulate(part, taps=len(part), solo=0))
            if mismatch:
                return replace(mismatch, frame=mismatch.frame + start)
        return None


def compile(
    net: Network,
    board: str = "pynq-z2",
    out_dir: str | os.PathLike[str] | None = None,
    cycles_per_frame: int | None = None,
    folding: Any = None,
    *,
    time_block: int | None = None,
    checked: bool = False,
    probes: bool = False,
    machine: Machine = STREAM,
) -> Build:
    """Plan `net` for `board` and write `out_dir`: network.vly, folding.json, rtl/ and host/ (for pyflow.runtime).

    out_dir: default build/<network> and the options that are given (workspace.default_folder). One run at a time
    works there; a folder that holds another network is refused. A folding.json that was edited there is used, and a
    warning says so; folding="auto" plans anew and replaces it.
    cycles_per_frame, folding: see planning.planner.plan. time_block: time steps per beat, where the network has
    time (default: the network's). probes: with counters of stalls by layer and spikes by tensor, read through the
    registers (pyflow.emit.probes lists them). machine: the kind of accelerator. Raises VolleyError on anything that
    cannot be built; `out_dir` is then as it was.
    """
    if not isinstance(net, Network):
        torch_model = hasattr(net, "state_dict")
        how = "convert it first, pyflow.convert(model, images)" if torch_model else "Network.load() reads a .vly"
        raise VolleyError(f"compile: net is {type(net).__name__}, needs a pyflow.Network; {how}")
    if out_dir is not None and not isinstance(out_dir, str | os.PathLike):
        raise VolleyError(f"out_dir: {out_dir!r} is no path; name a folder")
    if folding not in (None, AUTO) and cycles_per_frame is not None:
        raise VolleyError(f"cycles_per_frame={cycles_per_frame} and folding exclude each other; give one")
    if time_block is not None:
        net = replace(net, time_block=time_block)
    target = load_board(board)
    options = {"board": board, "cycles": cycles_per_frame, "folding": folding, "time_block": time_block}
    folder = default_folder(net.name, {**options, "probes": probes}) if out_dir is None else Path(out_dir)
    if folding in (None, AUTO) and not (folder / "folding.json").exists():  # before the work that a large network makes
        machine.check(net, target, Target(cycles_per_frame))
    design = Design.of(net, **options, probes=probes)
    with held(folder, design, "compile"):
        packed = network_file.pack(net)
        before = OutFolder(folder)
        before.check(packed)
        own = before.own_folding(folding, cycles_per_frame)
        edited = own if folding is None else None
        try:
            given = own or (None if folding == AUTO else folding)
            chosen = machine.plan(net, target, Target(cycles_per_frame, given))
        except VolleyError as e:
            raise (before.unusable(edited, e) if edited else e) from None
        if edited:
            warnings.warn(f"{edited}: was edited and is used; FOLDING=auto plans anew", stacklevel=2)
        with _fresh(folder, machine) as work:
            (work / "network.vly").write_bytes(packed)
            text = json.dumps(chosen.folding_json(), indent=2) + "\n"
            if not own:
                (work / "folding.json").write_text(text)
            before.record(work, packed, "" if own else text)
            emitted = chosen.emit(work / "rtl", probed=probes)
            write_host(chosen, target, emitted, work / "host")
        folder = folder.resolve()
        return Build(net, chosen, folder, emitted, checked, probed=probes, design=design, stamp=_stamp(folder))


def _stamp(folder: Path) -> str:
    """Digest of what tells a compiled folder from another."""
    h = hashlib.sha256()
    for file in (folder / "network.vly", *sorted((folder / "rtl").glob("*.sv"))):
        h.update(file.read_bytes() if file.exists() else b"")
    return h.hexdigest()


@contextlib.contextmanager
def _fresh(folder: Path, machine: Machine) -> Iterator[Path]:
    """A new folder whose entries replace their namesakes in `folder` when all of them have been written.

    What compile() did not write is never replaced: VolleyError instead.
    """
    try:
        foreign = []
        for ours, known in ((folder / "rtl", machine.owns), (folder / "host", is_ours)):
            if ours.is_dir() and not ours.is_symlink():
                foreign += [p for p in ours.iterdir() if not known(p)]
            elif os.path.lexists(ours):
                foreign.append(ours)
        if foreign:
            raise would_be_lost(folder, foreign[0])
        folder.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f"{NEW}-", dir=folder))
    except OSError as e:
        raise VolleyError(f"out_dir {folder}: cannot be written ({e.strerror}); choose a writable folder") from None
    try:
        yield work
        for entry in list(work.iterdir()):
            target = folder / entry.name
            if target.is_dir():  # a folder cannot be replaced in one step: out of the way first
                os.replace(target, work / f".old-{entry.name}")
            os.replace(entry, target)
    except OSError as e:
        raise VolleyError(f"out_dir {folder}: cannot be written ({e.strerror}); choose a writable folder") from None
    finally:
        shutil.rmtree(work, ignore_errors=True)
