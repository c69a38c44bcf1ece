# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""The float network that front ends make and conversion reads, and the passes over it; numpy only."""
