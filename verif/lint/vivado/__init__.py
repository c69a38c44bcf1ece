# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""What Vivado's synthesis would make of a design, by the letter of its user guide: `check`, `RULES`."""

from verif.lint.vivado.check import check, waived, waivers
from verif.lint.vivado.design import Finding
from verif.lint.vivado.rules import RULES, Rule

__all__ = ["RULES", "Finding", "Rule", "check", "waived", "waivers"]
