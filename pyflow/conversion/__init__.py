# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Conversion of float networks to integer spiking networks, and fine-tuning in those integers (needs torch)."""

from pyflow.conversion.fake_quant import FakeQuant
from pyflow.conversion.finetune import FineTuned, finetune
from pyflow.conversion.radix import convert

__all__ = ["FakeQuant", "FineTuned", "convert", "finetune"]
