# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""A model of one's own for `make sim NET=examples/own_model/my_net.py:build`: any traceable nn.Module."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

from pyflow.frontends import Normalize


def build() -> nn.Module:
    """[N, 1, 12, 12] in [0, 1] -> logits [N, 4]: vertical bar, horizontal bar, cross, frame."""
    return nn.Sequential(
        OrderedDict(
            norm=Normalize(0.2, 0.3),  # folded into conv1; the images stay plain pixels
            conv1=nn.Conv2d(1, 6, 3, padding=1, bias=False),
            bn1=nn.BatchNorm2d(6),
            relu1=nn.ReLU(),
            pool1=nn.MaxPool2d(2),  # 6x6x6
            conv2=nn.Conv2d(6, 8, 3),
            relu2=nn.ReLU(),
            pool2=nn.AvgPool2d(2),  # 8x2x2
            flatten=nn.Flatten(),
            fc=nn.Linear(8 * 2 * 2, 4),
        )
    )
