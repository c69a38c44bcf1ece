# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""What the co-simulations of pyflow.runtime share: a campaign of seeds, each with one fault, on a real network.

The runtime is ordinary blocking code: it runs in a thread (cocotb's bridge) and comes back here for every access
(resume). Simulated time is its clock. HOST names the host/ of the build in simulation, FAULT one of the bench's faults,
SEEDS "first:count".

Of every seed this is asked: each frame is right or reported as failed; the fault was there; and behind it the device
works as if nothing had happened.
"""

from __future__ import annotations

import os
import random
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import cocotb
import numpy as np
from cocotb.utils import get_sim_time

from pyflow.runtime import Device, DeviceError, Files, Inference

FILES = Files.load(os.environ["HOST"])
FAULT = os.environ["FAULT"]
FIRST, COUNT = (int(n) for n in os.environ["SEEDS"].split(":"))
PIXELS, LOGITS = FILES.vectors()
FRAMES = 4  # sent under a fault
_open: list[Device] = []  # the one that the seed before used
OTHER = Files.load(os.environ["OTHER"]) if "OTHER" in os.environ else None  # other weights of the same structure


def clock() -> float:
    """Simulated seconds."""
    return get_sim_time("sec")


def compare(done: Inference, picked: list[int]) -> None:
    """Every frame right, or reported."""
    for n, vector in enumerate(picked):
        if n in done.failures:
            assert not done.logits[n].any()
        else:
            assert (done.logits[n] == LOGITS[vector]).all(), f"frame {n}: {done.logits[n]}, {LOGITS[vector]} is right"


def some(count: int) -> list[int]:
    return [random.randrange(len(PIXELS)) for _ in range(count)]


def session(connect: Callable[[], Any], inject: Callable[[], None], heal: Callable[[], None]) -> Inference:
    """One seed: frames under a fault, then without. connect: makes a link; one seed in eight does, the others go on."""
    if not _open or not random.randrange(8):
        close()
        _open[:] = [Device(connect(), FILES)]
    (device,) = _open
    picked = some(FRAMES)
    inject()
    try:
        done = device.run_bytes(PIXELS[picked])
    except DeviceError as e:  # before the first answer
        done = Inference(np.zeros((FRAMES, FILES.classes), np.int64), dict.fromkeys(range(FRAMES), str(e)), FRAMES)
    heal()
    compare(done, picked)
    picked = some(1)
    again = device.run_bytes(PIXELS[picked])
    assert not again.failures, again.failures
    compare(again, picked)
    if not random.randrange(8):
        assert device.stats()["frames"] >= 1 or FAULT == "reset"
    return done


def reload(connect: Callable[[], Any], other: Files, inject: Callable[[], None], heal: Callable[[], None]) -> Inference:
    """One seed: weights of `other` are loaded under a fault, and then those of the build. A load that fails says so."""
    device = Device(connect(), FILES)
    try:
        for files in (other, FILES):
            inject()
            while True:
                try:
                    device.load_weights(files)
                    break
                except DeviceError as e:
                    if "load them again" not in str(e) and "does not answer" not in str(e):
                        raise
            heal()
            pixels, logits = files.vectors()
            done = device.run_bytes(pixels[:2])
            assert not done.failures
            assert (done.logits == logits[:2]).all()
            assert device.stats()["weights"] == files.loaded
        return done
    finally:
        heal()
        device.close()


def close() -> None:
    """Lets go of the device that is still open."""
    while _open:
        _open.pop().close()


async def campaign(seed: Callable[[], Awaitable[Inference]]) -> None:
    """`seed` for every seed; what came of them goes into the log."""
    repeated = failed = 0
    for number in range(FIRST, FIRST + COUNT):
        random.seed(f"{FAULT} {number}")
        try:
            done = await seed()
        except BaseException:
            cocotb.log.error("seed %d of %s", number, FAULT)
            raise
        repeated, failed = repeated + done.repeated, failed + len(done.failures)
    cocotb.log.info(
        "%s: %d seeds, %d frames, %d sent again, %d reported as failed, none wrong",
        FAULT,
        COUNT,
        COUNT * FRAMES,
        repeated,
        failed,
    )


def refuse_others(connect: Callable[[], Any]) -> None:
    """Under the faults "hash" and "weights": files of another structure, of other weights, are refused."""
    if FAULT == "hash":
        other = replace(FILES, structure=FILES.structure ^ 1 << random.randrange(32))
        assert "another design is loaded" in refused(connect, other, False)
    if FAULT == "weights":
        wrong = FILES.checksum ^ 1 << random.randrange(16)
        other = replace(FILES, checksum=wrong, loaded=wrong)
        assert "other weights in the device" in refused(connect, other, True)


def refused(connect: Callable[[], Any], files: Files, run: bool) -> str:
    """Why a device refuses `files`: at once, or (run) when a frame is to go in."""
    close()  # one host at a time: this one resets the network
    link = connect()
    try:
        device = Device(link, files)
        if not run:
            return ""
        device.run_bytes(PIXELS[:1])
        return ""
    except DeviceError as e:
        return str(e)
    finally:
        link.close()
