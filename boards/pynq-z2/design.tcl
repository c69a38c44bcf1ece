# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
# PYNQ-Z2: the processing system and its ports; the rest is in boards/common/zynq.tcl.
#
# Clocks, DDR, MIO: the values of Xilinx/PYNQ, boards/Pynq-Z2/petalinux_bsp/hardware_project/pynqz2.tcl (10fb03d), which
# the board's Linux image is built with. Names: PG082; what they set: UG585. The 512 MB of DDR3 on the board are one
# 16-bit MT41K256M16; the image uses the timing of its 1.5 V sibling, and so does this file.
volley::begin

volley::cell xilinx.com:ip:processing_system7:5.5 ps [list \
  CONFIG.PCW_CRYSTAL_PERIPHERAL_FREQMHZ 50 \
  CONFIG.PCW_APU_PERIPHERAL_FREQMHZ 650 \
  CONFIG.PCW_PRESET_BANK0_VOLTAGE {LVCMOS 3.3V} \
  CONFIG.PCW_PRESET_BANK1_VOLTAGE {LVCMOS 1.8V} \
  CONFIG.PCW_UIPARAM_DDR_MEMORY_TYPE {DDR 3} \
  CONFIG.PCW_UIPARAM_DDR_PARTNO {MT41J256M16 RE-125} \
  CONFIG.PCW_UIPARAM_DDR_BUS_WIDTH {16 Bit} \
  CONFIG.PCW_UIPARAM_DDR_FREQ_MHZ 525 \
  CONFIG.PCW_UIPARAM_DDR_DQS_TO_CLK_DELAY_0 0.040 \
  CONFIG.PCW_UIPARAM_DDR_DQS_TO_CLK_DELAY_1 0.058 \
  CONFIG.PCW_UIPARAM_DDR_DQS_TO_CLK_DELAY_2 -0.009 \
  CONFIG.PCW_UIPARAM_DDR_DQS_TO_CLK_DELAY_3 -0.033 \
  CONFIG.PCW_UIPARAM_DDR_BOARD_DELAY0 0.223 \
  CONFIG.PCW_UIPARAM_DDR_BOARD_DELAY1 0.212 \
  CONFIG.PCW_UIPARAM_DDR_BOARD_DELAY2 0.085 \
  CONFIG.PCW_UIPARAM_DDR_BOARD_DELAY3 0.092 \
  CONFIG.PCW_QSPI_PERIPHERAL_ENABLE 1 \
  CONFIG.PCW_QSPI_QSPI_IO {MIO 1 .. 6} \
  CONFIG.PCW_QSPI_GRP_SINGLE_SS_ENABLE 1 \
  CONFIG.PCW_QSPI_GRP_FBCLK_ENABLE 1 \
  CONFIG.PCW_UART0_PERIPHERAL_ENABLE 1 \
  CONFIG.PCW_UART0_UART0_IO {MIO 14 .. 15} \
  CONFIG.PCW_ENET0_PERIPHERAL_ENABLE 1 \
  CONFIG.PCW_ENET0_ENET0_IO {MIO 16 .. 27} \
  CONFIG.PCW_ENET0_GRP_MDIO_ENABLE 1 \
  CONFIG.PCW_ENET0_GRP_MDIO_IO {MIO 52 .. 53} \
  CONFIG.PCW_ENET0_RESET_ENABLE 1 \
  CONFIG.PCW_ENET0_RESET_IO {MIO 9} \
  CONFIG.PCW_USB0_PERIPHERAL_ENABLE 1 \
  CONFIG.PCW_USB0_USB0_IO {MIO 28 .. 39} \
  CONFIG.PCW_USB0_RESET_ENABLE 1 \
  CONFIG.PCW_USB0_RESET_IO {MIO 46} \
  CONFIG.PCW_SD0_PERIPHERAL_ENABLE 1 \
  CONFIG.PCW_SD0_SD0_IO {MIO 40 .. 45} \
  CONFIG.PCW_SD0_GRP_CD_ENABLE 1 \
  CONFIG.PCW_SD0_GRP_CD_IO {MIO 47} \
  CONFIG.PCW_SDIO_PERIPHERAL_FREQMHZ 50 \
  CONFIG.PCW_GPIO_MIO_GPIO_ENABLE 1 \
  CONFIG.PCW_GPIO_MIO_GPIO_IO MIO \
  CONFIG.PCW_FPGA_FCLK0_ENABLE 1 \
  CONFIG.PCW_FPGA0_PERIPHERAL_FREQMHZ $volley::clock_mhz \
  CONFIG.PCW_USE_M_AXI_GP0 1 \
  CONFIG.PCW_USE_S_AXI_HP0 1 \
  CONFIG.PCW_S_AXI_HP0_DATA_WIDTH 64 \
  CONFIG.PCW_USE_FABRIC_INTERRUPT 1 \
  CONFIG.PCW_IRQ_F2P_INTR 1]

volley::connect {
  clock         FCLK_CLK0
  reset         FCLK_RESET0_N
  control       {M_AXI_GP0 M_AXI_GP0_ACLK}
  memory        {S_AXI_HP0 S_AXI_HP0_ACLK}
  interrupt     IRQ_F2P
  base          0x40000000
  address_width 32
}

create_bd_intf_port -mode Master -vlnv xilinx.com:interface:ddrx_rtl:1.0 DDR
create_bd_intf_port -mode Master -vlnv xilinx.com:display_processing_system7:fixedio_rtl:1.0 FIXED_IO
connect_bd_intf_net [get_bd_intf_pins ps/DDR] [get_bd_intf_ports DDR]
connect_bd_intf_net [get_bd_intf_pins ps/FIXED_IO] [get_bd_intf_ports FIXED_IO]

# LD0: loaded, clocked and out of reset.
create_bd_port -dir O -from 0 -to 0 led
connect_bd_net [get_bd_pins reset/peripheral_aresetn] [get_bd_ports led]

volley::finish
