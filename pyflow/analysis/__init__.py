# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Analyses that change nothing: what a model of a machine says of its speed and its memory. numpy only."""
