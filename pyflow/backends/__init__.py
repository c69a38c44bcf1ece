# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Drivers of outside tools; everything that knows a simulator or a synthesis tool lives here."""
