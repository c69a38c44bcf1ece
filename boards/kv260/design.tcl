# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
# KV260 (module K26): the processing system; the rest is in boards/common/zynq.tcl.
#
# MIO, DDR timing and the clocks of the processors are set up by the boot firmware in the module's flash, and loading a
# design leaves them alone; what stands here is what the fabric and its address map depend on. Values: Xilinx/Kria-PYNQ,
# kv260/base/base.tcl (341988d). Names: PG201; what they set: UG1085. The version of the processing system follows Vivado
# (3.3 to 3.5), so none is named.
volley::begin

volley::cell xilinx.com:ip:zynq_ultra_ps_e ps [list \
  CONFIG.PSU__PSS_REF_CLK__FREQMHZ 33.333 \
  CONFIG.PSU_BANK_0_IO_STANDARD LVCMOS18 \
  CONFIG.PSU_BANK_1_IO_STANDARD LVCMOS18 \
  CONFIG.PSU_BANK_2_IO_STANDARD LVCMOS18 \
  CONFIG.PSU_BANK_3_IO_STANDARD LVCMOS18 \
  CONFIG.PSU__DDRC__MEMORY_TYPE {DDR 4} \
  CONFIG.PSU__DDRC__COMPONENTS Components \
  CONFIG.PSU__DDRC__BUS_WIDTH {64 Bit} \
  CONFIG.PSU__DDRC__DRAM_WIDTH {16 Bits} \
  CONFIG.PSU__DDRC__DEVICE_CAPACITY {8192 MBits} \
  CONFIG.PSU__DDRC__BG_ADDR_COUNT 1 \
  CONFIG.PSU__DDRC__ROW_ADDR_COUNT 16 \
  CONFIG.PSU__DDRC__SPEED_BIN DDR4_2400R \
  CONFIG.PSU__DDR_HIGH_ADDRESS_GUI_ENABLE 1 \
  CONFIG.PSU__HIGH_ADDRESS__ENABLE 1 \
  CONFIG.PSU__FPGA_PL0_ENABLE 1 \
  CONFIG.PSU__CRL_APB__PL0_REF_CTRL__SRCSEL IOPLL \
  CONFIG.PSU__CRL_APB__PL0_REF_CTRL__FREQMHZ $volley::clock_mhz \
  CONFIG.PSU__USE__M_AXI_GP0 1 \
  CONFIG.PSU__USE__M_AXI_GP1 0 \
  CONFIG.PSU__USE__M_AXI_GP2 0 \
  CONFIG.PSU__MAXIGP0__DATA_WIDTH 128 \
  CONFIG.PSU__USE__S_AXI_GP2 1 \
  CONFIG.PSU__SAXIGP2__DATA_WIDTH 128 \
  CONFIG.PSU__USE__IRQ0 1]

volley::connect {
  clock         pl_clk0
  reset         pl_resetn0
  control       {M_AXI_HPM0_FPD maxihpm0_fpd_aclk}
  memory        {S_AXI_HP0_FPD saxihp0_fpd_aclk}
  interrupt     pl_ps_irq0
  base          0xA0000000
  address_width 40
}

volley::finish
