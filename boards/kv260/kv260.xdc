# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
# No pin of the fabric is used: pixels and logits pass through the processing system, whose own files constrain it and
# the clock. Properties: UG912.
set_property BITSTREAM.GENERAL.COMPRESS TRUE [current_design]
