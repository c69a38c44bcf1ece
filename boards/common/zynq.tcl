# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
# Block design `zynq` of the boards with a Zynq: the accelerator behind an AXI DMA.
#
#   ps control port  -> control -> volley/s_axi_ctrl, dma/S_AXI_LITE, intc/s_axi
#   ps memory port  <-  memory  <- dma/M_AXI_MM2S, dma/M_AXI_S2MM
#   dma/M_AXIS_MM2S  -> volley/s_axis;  volley/m_axis -> dma/S_AXIS_S2MM
#   dma interrupts   -> concat -> intc -> ps
#
# A board's design.tcl creates the processing system, cell `ps`, between volley::begin and volley::connect, and ends with
# volley::finish. settings.tcl, written for each build, sets volley::clock_mhz and volley::accelerator. One clock drives
# everything. Commands: UG835; block designs: UG994; module references: UG994, chapter "Referencing RTL Modules".
namespace eval volley {
  variable here [file dirname [file normalize [info script]]]
}

proc volley::cell {vlnv name config} {
  set cell [create_bd_cell -type ip -vlnv $vlnv $name]
  if {[llength $config]} { set_property -dict $config $cell }
  return $cell
}

proc volley::begin {} {
  # The sources were read a moment ago: the hierarchy below the module reference must be known.
  update_compile_order -fileset sources_1
  create_bd_design zynq
}

# ports: dict of the pins of `ps`: clock, reset, control and memory {interface clock}, interrupt; base: where the
# registers lie, 64 KiB each; address_width [bit] of the memory that the DMA reaches.
proc volley::connect {ports} {
  variable accelerator
  dict with ports {}

  create_bd_cell -type module -reference $accelerator volley
  # PG021. Simple mode: a transfer is a frame, and its end is tlast. 26 bits are the longest transfer, 64 MiB. A buffer
  # starts at a multiple of four bytes, so the realignment engine is left out.
  cell xilinx.com:ip:axi_dma:7.1 dma [list \
    CONFIG.c_include_sg 0 \
    CONFIG.c_sg_include_stscntrl_strm 0 \
    CONFIG.c_sg_length_width 26 \
    CONFIG.c_include_mm2s_dre 0 \
    CONFIG.c_include_s2mm_dre 0 \
    CONFIG.c_m_axi_mm2s_data_width 32 \
    CONFIG.c_m_axis_mm2s_tdata_width 32 \
    CONFIG.c_m_axi_s2mm_data_width 32 \
    CONFIG.c_s_axis_s2mm_tdata_width 32 \
    CONFIG.c_mm2s_burst_size 16 \
    CONFIG.c_s2mm_burst_size 16 \
    CONFIG.c_addr_width $address_width]
  cell xilinx.com:ip:smartconnect:1.0 control {CONFIG.NUM_SI 1 CONFIG.NUM_MI 3}
  cell xilinx.com:ip:smartconnect:1.0 memory {CONFIG.NUM_SI 2 CONFIG.NUM_MI 1}
  cell xilinx.com:ip:proc_sys_reset:5.0 reset {}
  # PYNQ waits for interrupts that reach the processor through an AXI interrupt controller, and for no others.
  cell xilinx.com:ip:xlconcat:2.1 concat {CONFIG.NUM_PORTS 2}
  cell xilinx.com:ip:axi_intc:4.1 intc {CONFIG.C_IRQ_CONNECTION 1}

  connect_bd_net [get_bd_pins ps/$clock] [get_bd_pins [list \
    ps/[lindex $control 1] ps/[lindex $memory 1] reset/slowest_sync_clk control/aclk memory/aclk \
    dma/s_axi_lite_aclk dma/m_axi_mm2s_aclk dma/m_axi_s2mm_aclk intc/s_axi_aclk volley/clk]]
  connect_bd_net [get_bd_pins ps/$reset] [get_bd_pins reset/ext_reset_in]
  connect_bd_net [get_bd_pins reset/interconnect_aresetn] [get_bd_pins {control/aresetn memory/aresetn}]
  connect_bd_net [get_bd_pins reset/peripheral_aresetn] \
    [get_bd_pins {dma/axi_resetn intc/s_axi_aresetn volley/aresetn}]

  foreach {source sink} [list \
    ps/[lindex $control 0] control/S00_AXI \
    control/M00_AXI volley/s_axi_ctrl \
    control/M01_AXI dma/S_AXI_LITE \
    control/M02_AXI intc/s_axi \
    dma/M_AXI_MM2S memory/S00_AXI \
    dma/M_AXI_S2MM memory/S01_AXI \
    memory/M00_AXI ps/[lindex $memory 0] \
    dma/M_AXIS_MM2S volley/s_axis \
    volley/m_axis dma/S_AXIS_S2MM] {
    connect_bd_intf_net [get_bd_intf_pins $source] [get_bd_intf_pins $sink]
  }

  connect_bd_net [get_bd_pins dma/mm2s_introut] [get_bd_pins concat/In0]
  connect_bd_net [get_bd_pins dma/s2mm_introut] [get_bd_pins concat/In1]
  connect_bd_net [get_bd_pins concat/dout] [get_bd_pins intc/intr]
  connect_bd_net [get_bd_pins intc/irq] [get_bd_pins ps/$interrupt]

  # The address map of boards/<board>/README.md.
  foreach {offset range segment} {
    0x00000  4K volley/s_axi_ctrl/reg0
    0x10000 64K dma/S_AXI_LITE/Reg
    0x20000 64K intc/S_AXI/Reg
  } {
    assign_bd_address -offset [format 0x%08X [expr {$base + $offset}]] -range $range \
      -target_address_space [get_bd_addr_spaces ps/Data] [get_bd_addr_segs $segment]
  }
  # What is left is the memory, at the processor's own addresses.
  assign_bd_address
}

proc volley::finish {} {
  variable here
  validate_bd_design
  save_bd_design
  set design [get_files zynq.bd]
  # Synthesised with the rest: run by run of its own, a module reference does not find the memory images.
  set_property synth_checkpoint_mode None $design
  generate_target all $design
  add_files -norecurse [make_wrapper -files $design -top]
  # UG835, UG894 (hooks). Reports are made where the routed design is in memory anyway.
  set_property STEPS.ROUTE_DESIGN.TCL.POST [file join $here reports.tcl] [get_runs impl_1]
}
