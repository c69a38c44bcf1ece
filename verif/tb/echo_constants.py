# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""What every echo network tells of itself, whatever its geometry."""

CHECKSUM, MEMORIES = 0xC0DE, 2
HASH = 0xA9B3B3A6  # the complement of ID: registers differ in every bit
PROBES = [None, 0x01234567, 0xFEDCBA98]  # the first one counts beats of pixels
