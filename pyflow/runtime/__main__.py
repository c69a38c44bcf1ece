# SPDX-License-Identifier: Apache-2.0
"""python -m pyflow.runtime self-test|stats|infer --device serial:/dev/ttyUSB1 --files build/digits/host"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import List, Optional

import numpy as np

from pyflow.errors import VolleyError
from pyflow.runtime import Device


def main(arguments: Optional[List[str]] = None) -> int:
    parser = argparse.ArgumentParser(prog="pyflow.runtime", description="Runs a network on a board.")
    parser.add_argument("job", choices=["self-test", "stats", "infer", "load-weights"])
    parser.add_argument("--device", required=True, help="serial:PORT, pynq or rtlsim")
    parser.add_argument("--files", default=".", help="folder host/ of the build, or the one it lies in (default: here)")
    parser.add_argument("--baud", type=int, default=1_000_000, help="of a serial line")
    parser.add_argument("--timeout", type=float, default=2.0, help="seconds without progress")
    parser.add_argument("--input", help="infer: .npy with frames, [N, C, H, W]")
    parser.add_argument("--weights", help="load-weights: folder host/ of the build that has them")
    options = parser.parse_args(arguments)
    try:
        if options.timeout <= 0 or options.baud <= 0:
            raise VolleyError(f"--timeout {options.timeout:g} and --baud {options.baud} must be positive")
        with Device.open(options.device, options.files, timeout_s=options.timeout, baud=options.baud) as device:
            if options.job == "self-test":
                found = device.self_test()
                print(found, file=sys.stdout if found.passed else sys.stderr)
                return int(not found.passed)
            if options.job == "infer":
                for n, row in enumerate(device.infer(_frames(options.input))):
                    print(f"frame {n}: class {int(row.argmax())}, logits {' '.join(map(str, row.tolist()))}")
            elif options.job == "load-weights":
                if not options.weights:
                    raise VolleyError("load-weights: --weights FOLDER is missing; name the build that has them")
                print(device.load_weights(options.weights))
            else:
                print(json.dumps(device.stats(), indent=2))
        return 0
    except VolleyError as e:
        print(f"pyflow.runtime {options.job}: {e}", file=sys.stderr)
        return 2


def _frames(path: Optional[str]) -> np.ndarray:
    if not path:
        raise VolleyError("infer: --input FILE is missing; a .npy with frames")
    try:
        return np.load(str(Path(path)), allow_pickle=False)
    except (OSError, ValueError, EOFError) as e:
        raise VolleyError(f"{path}: not a readable .npy ({e})") from None


if __name__ == "__main__":
    sys.exit(main())
