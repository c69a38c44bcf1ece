# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""A 1-D model of one's own for `make sim NET=examples/own_model_1d/my_1d.py:build`."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

from pyflow.frontends import Normalize


def build() -> nn.Module:
    """[N, 1, 128] in [0, 1] -> logits [N, 3]: cylinder, bell, funnel."""
    return nn.Sequential(
        OrderedDict(
            norm=Normalize(0.25, 0.25),  # folded into conv1; the samples stay plain 8-bit values
            conv1=nn.Conv1d(1, 6, 9, stride=2, padding=4, bias=False),
            bn1=nn.BatchNorm1d(6),
            relu1=nn.ReLU(),
            pool1=nn.MaxPool1d(2),  # 6x32
            conv2=nn.Conv1d(6, 8, 5, padding=2),
            relu2=nn.ReLU(),
            pool2=nn.AvgPool1d(4),  # 8x8
            flatten=nn.Flatten(),
            fc1=nn.Linear(8 * 8, 12, bias=False),
            bn2=nn.BatchNorm1d(12),
            relu3=nn.ReLU(),
            fc2=nn.Linear(12, 3),
        )
    )
