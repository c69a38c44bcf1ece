# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""One class per core of rtl/ that a network is made of: its parameters, and what the planner knows of it. A file per
folder of rtl/, beside what they share: base, cells, sums, recurrence."""
