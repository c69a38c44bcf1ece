# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""The accelerator with its streams in a clock of their own: every logit of the digits network, at unlike clocks."""

from __future__ import annotations

import json
import re

import numpy as np

from pyflow.build import Build
from pyflow.data import Dataset
from pyflow.sources import rtl_sources
from tests.flow.test_weight_reload import words
from verif.harness import run_bench


def test_digits_at_unlike_clocks(digits_build: Build, digits_data: Dataset) -> None:
    network, rtl = digits_build.network, digits_build.rtl
    x = digits_data.x_test[:4]
    checksum = re.search(r"WEIGHT_CHECKSUM += \d+'h(\w+);", (rtl / "volley_net_pkg.sv").read_text())
    assert checksum
    case = {
        "frames": words(network.host_bytes(x)), "logits": (network.run(x).astype(np.int64) & 0xFFFFFFFF).tolist(),
        "checksum": int(checksum[1], 16), "cycles": digits_build.plan.latency_cycles,
    }  # fmt: skip
    images = {path.name: path.read_text() for path in rtl.glob("*.mem")}
    run_bench(
        "volley_axi_top", "tb_axi_async", {"ASYNC": 1}, files={**images, "frames.json": json.dumps(case)},
        sources=[rtl / "volley_net_pkg.sv", *rtl_sources(), rtl / "volley_net.sv"],
    )  # fmt: skip
