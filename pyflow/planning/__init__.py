# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""From an integer network to a plan: foldings, buffers, and the cycles that follow from them."""
