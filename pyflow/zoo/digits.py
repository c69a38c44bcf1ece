# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""`digits`: the embedded default, a small CNN for scikit-learn's 8 x 8 handwritten digits."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

INPUT_SHAPE = (1, 8, 8)


def build() -> nn.Module:
    """[N, 1, 8, 8] in [0, 1] -> logits [N, 10]; 2,664 weights."""
    model = nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(1, 8, 3, padding=1),
            relu1=nn.ReLU(),  # 8x8x8
            conv2=nn.Conv2d(8, 16, 3),
            relu2=nn.ReLU(),
            pool2=nn.MaxPool2d(2),  # 16x3x3
            flatten=nn.Flatten(),
            fc=nn.Linear(16 * 3 * 3, 10),
        )
    )
    model.input_shape = INPUT_SHAPE  # type: ignore[assignment]
    return model
