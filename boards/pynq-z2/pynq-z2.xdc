# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
# Pins: Xilinx/PYNQ, boards/Pynq-Z2/base/vivado/constraints/base.xdc. Properties: UG912. The clock of the fabric and the
# pins of the processing system are constrained by its own files.
set_property -dict {PACKAGE_PIN R14 IOSTANDARD LVCMOS33} [get_ports {led[0]}]

# Configuration frames that are equal are stored once: a part that is mostly empty loads faster.
set_property BITSTREAM.GENERAL.COMPRESS TRUE [current_design]
