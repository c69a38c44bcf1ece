# SPDX-License-Identifier: Apache-2.0
"""From an integer network to a plan: foldings, buffers, and the cycles that follow from them."""
