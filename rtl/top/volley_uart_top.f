// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// volley_uart_top and all it needs, leaf first; names are relative to this file (-F).
../common/volley_ram.sv
../common/volley_ram_2clk.sv
../common/volley_sync.sv
../stream/volley_skid.sv
../stream/volley_fifo.sv
../stream/volley_fifo_async.sv
../stream/volley_lane_convert.sv
../host/volley_crc32.sv
volley_frame_guard.sv
volley_frame_result.sv
volley_top.sv
volley_axil_slave.sv
volley_regs_pkg.sv
volley_regs.sv
volley_axi_top.sv
../host/volley_uart_rx.sv
../host/volley_uart_tx.sv
../host/volley_packet_rx.sv
../host/volley_packet_tx.sv
../host/volley_host_command.sv
volley_uart_top.sv
