#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Self-test on a board with PYNQ: sends frames by DMA and compares every logit with those of the integer reference.

Runs on the board, as root, in the folder with <board>.bit, <board>.hwh and selftest.npz that `make bitstream` filled.
Needs pynq and numpy. Exit status 1 on a difference.
"""

import sys
import time
from pathlib import Path

import numpy as np
from pynq import Overlay, allocate

FLAGS = {1: "short frame", 2: "long frame", 4: "bad tkeep"}  # docs/formats.md, the trailer


def main() -> int:
    here = Path(__file__).resolve().parent
    bitstreams = sorted(here.glob("*.bit"))
    if len(bitstreams) != 1:
        print(f"{here}: {len(bitstreams)} files *.bit instead of one", file=sys.stderr)
        return 2
    expected = np.load(here / "selftest.npz")
    frames, logits = expected["frames"], expected["logits"]
    dma = Overlay(str(bitstreams[0])).dma
    print(f"{bitstreams[0].name} loaded; {len(frames)} frames of {frames.shape[1]} bytes, {logits.shape[1]} logits")
    pixels = allocate(shape=(frames.shape[1],), dtype=np.uint8)
    answer = allocate(shape=(logits.shape[1] + 1,), dtype=np.int32)  # and the trailer

    def send(frame: np.ndarray) -> np.ndarray:
        """One transfer is one frame; its end is the tlast that the accelerator waits for."""
        pixels[:] = frame
        dma.recvchannel.transfer(answer)
        dma.sendchannel.transfer(pixels)
        dma.sendchannel.wait()
        dma.recvchannel.wait()
        return np.array(answer)

    wrong = 0
    for i, want in enumerate(logits):
        got = send(frames[i])
        flags = (int(got[-1]) >> 8) & 0xFF
        equal = not flags and np.array_equal(got[:-1], want)
        wrong += not equal
        why = ", ".join(name for bit, name in FLAGS.items() if flags & bit) or f"expected {want.tolist()}"
        verdict = "every logit equal" if equal else f"WRONG {got[:-1].tolist()}, {why}"
        print(f"frame {i}: class {int(got[:-1].argmax())}, {verdict}")
    began = time.perf_counter()
    for frame in frames:
        send(frame)
    rate = len(frames) / (time.perf_counter() - began)
    print(f"self-test {'FAILED' if wrong else 'passed'}: {wrong} of {len(frames)} frames wrong")
    print(f"{rate:,.0f} frames/s, one transfer each, Python and driver included")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
