# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""The accelerator with its streams in a clock of their own: every logit of the digits network, at unlike clocks."""

from __future__ import annotations

import json

import numpy as np

from pyflow.build import Build
from pyflow.data import Dataset
from pyflow.design_files import DesignFiles
from tests.flow.designs import constant, design, images
from tests.flow.test_weight_reload import words
from verif.harness import run_bench


def test_digits_at_unlike_clocks(digits_build: Build, digits_data: Dataset) -> None:
    network, rtl = digits_build.network, digits_build.rtl
    x = digits_data.x_test[:4]
    case = {
        "frames": words(network.host_bytes(x)), "logits": (network.run(x).astype(np.int64) & 0xFFFFFFFF).tolist(),
        "checksum": int(constant(rtl, "WEIGHT_CHECKSUM"), 16), "cycles": digits_build.plan.latency_cycles,
    }  # fmt: skip
    run_bench(
        "volley_axi_top", "tb_axi_async", {}, files={**images(rtl), "frames.json": json.dumps(case)},
        sources=design(rtl), top=DesignFiles.found_in(rtl).async_top,
    )  # fmt: skip
