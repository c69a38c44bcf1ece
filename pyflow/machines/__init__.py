# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""The machines: kinds of accelerators that a network can be laid on (pyflow/machine.py)."""
