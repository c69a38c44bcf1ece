# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""python -m pyflow.runtime self-test|demo|infer|stats --device serial:/dev/ttyUSB1 --files build/digits/host"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
from typing import Any

import numpy as np

from pyflow.errors import VolleyError, one_line
from pyflow.frames import decided
from pyflow.reading import read_npy
from pyflow.runtime import Device, FramesFailed

JOBS = ("self-test", "demo", "infer", "stats", "load-weights")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="pyflow.runtime", description="Runs a network on a board.")
    parser.add_argument("job", help=", ".join(JOBS))
    parser.add_argument("--device", required=True, help="serial:PORT, pynq or rtlsim")
    parser.add_argument("--files", default=".", help="folder host/ of the build, or the one it lies in (default: here)")
    parser.add_argument("--baud", type=int, default=1_000_000, help="of a serial line")
    parser.add_argument("--timeout", type=float, default=2.0, help="seconds without progress")
    parser.add_argument("--input", help="infer: .npy with frames, [N, C, H, W]")
    parser.add_argument("--weights", help="load-weights: folder host/ of the build that has them")
    options = parser.parse_args(arguments)
    main_thread = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGTERM, _terminate) if main_thread else None
    try:
        return _run(options)
    except VolleyError as e:
        print(f"pyflow.runtime {options.job}: {one_line(e)}", file=sys.stderr)
        return 2
    except _Terminated:
        print(f"pyflow.runtime {options.job}: terminated", file=sys.stderr)
        return 143
    except KeyboardInterrupt:
        print(f"pyflow.runtime {options.job}: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        sys.stderr.close()  # or Python complains of stdout at its end
        return 141
    finally:
        if main_thread:
            signal.signal(signal.SIGTERM, before)


class _Terminated(BaseException):
    """SIGTERM: ends as Ctrl-C does, so that the device is left in order."""


def _terminate(*_: Any) -> None:
    raise _Terminated


def _run(options: argparse.Namespace) -> int:
    job = options.job
    if job not in JOBS:
        raise VolleyError(f"unknown job; one of {', '.join(JOBS)}")
    if not 0 < options.timeout < float("inf") or options.baud <= 0:
        raise VolleyError(f"--timeout {options.timeout:g} and --baud {options.baud} must be positive")
    if job == "load-weights" and not options.weights:
        raise VolleyError("--weights FOLDER is missing; name the build that has them")
    frames = _frames(options.input) if job == "infer" else np.zeros(0)
    times = {"timeout_s": options.timeout, "baud": options.baud}
    with Device.open(options.device, options.files, reset=job != "stats", **times) as device:
        if job == "self-test":
            found = device.self_test()
            print(found, file=sys.stdout if found.passed else sys.stderr)
            return int(not found.passed)
        if job == "demo":
            _demo(device)
        elif job == "infer":
            return _infer(device, frames)
        elif job == "load-weights":
            print(device.load_weights(options.weights))
        else:
            print(json.dumps(device.stats(), indent=2))
    return 0


def _infer(device: Device, frames: np.ndarray) -> int:
    """A line per frame; status 1 where some failed."""
    failures: dict[int, str] = {}
    try:
        logits = device.infer(frames)
    except FramesFailed as e:
        logits, failures = e.logits, e.failures
    for n, row in enumerate(logits):
        if n in failures:
            print(f"frame {n}: FAILED, {failures[n]}", file=sys.stderr)
        else:
            print(f"frame {n}: class {int(decided(row[None])[0])}, logits {' '.join(map(str, row.tolist()))}")
    return int(bool(failures))


def _demo(device: Device) -> None:
    """One of the vectors as a picture, and what the device takes it for."""
    frames, _ = device.files.vectors()
    c, h, w = device.files.frames.shape
    done = device.run_bytes(frames[:1])
    if not done.failures and not device.files.frames.steps:
        for row in frames[0].reshape(h, w, c).max(2):
            print("".join(" .:-=+*#%@"[int(p) * 10 // 256] * 2 for p in row).rstrip())
    for frame, why in done.failures.items():
        raise VolleyError(f"frame {frame}: {why}")
    low, high = done.logits[0].min(), done.logits[0].max()
    for k, logit in enumerate(done.logits[0]):
        bar = "#" * (1 + int(40 * (logit - low) // max(1, high - low)))
        print(f"class {k}  {bar}  {logit}{'  <' if logit == high else ''}")


def _frames(path: str | None) -> np.ndarray:
    if not path:
        raise VolleyError("--input FILE is missing; a .npy with frames")
    return read_npy(path, "save the frames with numpy.save")


if __name__ == "__main__":
    sys.exit(main())
