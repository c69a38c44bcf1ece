# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""`lenet5`: LeNet-5 as the radix accelerators of the literature use it (E3NE, arXiv 2111.10027):
1-6-16-120 convolutions 5 x 5, max-pooling, 84, 10; MNIST centred in 32 x 32."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

INPUT_SHAPE = (1, 32, 32)


def build() -> nn.Module:
    """[N, 1, 32, 32] in [0, 1] -> logits [N, 10]; 61,470 weights."""
    model = nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(1, 6, 5),
            relu1=nn.ReLU(),
            pool1=nn.MaxPool2d(2),  # 6x14x14
            conv2=nn.Conv2d(6, 16, 5),
            relu2=nn.ReLU(),
            pool2=nn.MaxPool2d(2),  # 16x5x5
            conv3=nn.Conv2d(16, 120, 5),
            relu3=nn.ReLU(),  # 120x1x1
            flatten=nn.Flatten(),
            fc1=nn.Linear(120, 84),
            relu4=nn.ReLU(),
            fc2=nn.Linear(84, 10),
        )
    )
    model.input_shape = INPUT_SHAPE  # type: ignore[assignment]
    return model
