# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""The Python interface in one page: convert, save, run the reference, compile, simulate, compare.

python examples/api.py [FOLDER]               # default build/api; builds one small simulator
"""

from __future__ import annotations

import sys

import numpy as np
import torch
from torch import nn

import pyflow

folder = sys.argv[1] if len(sys.argv) > 1 else "build/api"
torch.manual_seed(0)
model = nn.Sequential(  # untrained: this shows the interface, not an accuracy
    nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(4 * 2 * 2, 3)
)
images = np.random.default_rng(0).random((64, 1, 6, 6), dtype=np.float32)  # [N, C, H, W] in [0, 1]

net = pyflow.convert(model, images, timesteps=4, weight_bits=4, name="tiny")
print(net.summary())

build = pyflow.compile(net, board="pynq-z2", out_dir=folder, cycles_per_frame=64)
net.save(f"{folder}/tiny.vly")  # a zip of JSON and .npy, no pickle
net = pyflow.Network.load(f"{folder}/tiny.vly")

expected = net.run(images)  # integer reference: int64 [64, 3]
result = build.simulate(images)  # the RTL, in Verilator
assert (result.logits == expected).all()
print(f"{len(result.logits)} frames, every logit equal")
print(f"{result.cycles_per_frame:.0f} cycles per frame, latency {result.latency_cycles} cycles")
