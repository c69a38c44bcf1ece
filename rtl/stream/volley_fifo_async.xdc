# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
# Timing of every volley_fifo_async of a design (UG903, scoped constraints):
#   read_xdc -ref volley_fifo_async volley_fifo_async.xdc
# behind the constraints that create its clocks, which may be asynchronous, related or the same. What crosses arrives
# within a period of its own clock, and the bits of a gray pointer within a period of the faster clock of each other: no
# two changes of a pointer can be on their way at once, which is what the proof assumes.
set s_clk [get_clocks -of_objects [get_ports s_clk]]
set m_clk [get_clocks -of_objects [get_ports m_clk]]
set s_period [get_property -min PERIOD $s_clk]
set m_period [get_property -min PERIOD $m_clk]
set skew [expr {min($s_period, $m_period)}]

# Pointers
set_max_delay -datapath_only -from [get_cells {wgray_q_reg[*]}] -to [get_cells {u_wgray/first_q_reg[*]}] $s_period
set_bus_skew -from [get_cells {wgray_q_reg[*]}] -to [get_cells {u_wgray/first_q_reg[*]}] $skew
set_max_delay -datapath_only -from [get_cells {rgray_q_reg[*]}] -to [get_cells {u_rgray/first_q_reg[*]}] $m_period
set_bus_skew -from [get_cells {rgray_q_reg[*]}] -to [get_cells {u_rgray/first_q_reg[*]}] $skew

# Exchange of resets
set_max_delay -datapath_only -from [get_cells clear_q_reg] -to [get_cells {u_clear/first_q_reg[0]}] $s_period
set_max_delay -datapath_only -from [get_cells cleared_q_reg] -to [get_cells {u_cleared/first_q_reg[0]}] $m_period
set_max_delay -datapath_only -from [get_cells lost_q_reg] -to [get_cells {u_lost/first_q_reg[0]}] $m_period

# Distributed RAM: a word is read from what s_clk wrote SYNC_STAGES cycles of m_clk ago. A block RAM has no such path.
set_max_delay -quiet -datapath_only -from [get_cells -quiet {u_ram/*mem_reg*}] -to [get_cells -quiet {u_ram/rdata_reg[*]}] $m_period
