# SPDX-License-Identifier: Apache-2.0
"""Drivers of outside tools; everything that knows a simulator or a synthesis tool lives here."""
