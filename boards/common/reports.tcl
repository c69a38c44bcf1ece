# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
# What make bitstream reads back; runs after route_design, in the folder of the run. Commands: UG835; activity: UG907.
report_utilization -file volley_utilization.rpt
report_timing_summary -file volley_timing.rpt
set saif [file join [file dirname [file normalize [info script]]] volley.saif]
if {[file exists $saif]} {
  read_saif -strip_path zynq_wrapper $saif
}
report_power -file volley_power.rpt
