// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// ROM: rdata <= mem[raddr] when re, at each of its ports. Latency 1. rdata holds while re is low.
// Two ports fit the two sides of one block RAM.
`default_nettype none
module volley_rom #(
  parameter int unsigned DATA_W    = 8,        // word width [bit]
  parameter int unsigned DEPTH     = 512,      // words, >= 2
  parameter              INIT_FILE = "",       // $readmemh image; "" leaves the content undefined (lint only)
  parameter              STYLE     = "auto",   // "auto", "block" or "distributed"
  parameter int unsigned PORTS     = 1,        // words read at once
  localparam int unsigned ADDR_W   = $clog2(DEPTH)
) (
  input  wire logic                    clk,
  input  wire logic                    re,
  input  wire logic [PORTS*ADDR_W-1:0] raddr,  // the first port's in the low bits
  output logic [PORTS*DATA_W-1:0]      rdata
);
  if (DATA_W < 1) begin : g_rule_data_w
    $fatal(1, "volley_rom: DATA_W = %0d must be at least 1 (%m)", DATA_W);
  end
  if (STYLE != "auto" && STYLE != "block" && STYLE != "distributed") begin : g_rule_style
    $fatal(1, "volley_rom: STYLE = %s must be auto, block or distributed (%m)", STYLE);
  end
  if (DEPTH < 2) begin : g_rule_depth
    $fatal(1, "volley_rom: DEPTH must be at least 2 (%m)");
  end
  if (PORTS < 1) begin : g_rule_ports
    $fatal(1, "volley_rom: PORTS = %0d must be at least 1 (%m)", PORTS);
  end

  // Vivado reads rom_style; yosys reads rom_block first, and calls a ROM made of LUTs "logic". An attribute takes a
  // literal only: so the same memory stands there once for each style.
  if (STYLE == "block") begin : g_block
    (* rom_style = "block", rom_block = "block" *) logic [DATA_W-1:0] mem [DEPTH];
    if (INIT_FILE != "") begin : g_init
      initial $readmemh(INIT_FILE, mem);
    end
    for (genvar p = 0; p < PORTS; p++) begin : g_port
      always_ff @(posedge clk)
        if (re) rdata[p*DATA_W +: DATA_W] <= mem[raddr[p*ADDR_W +: ADDR_W]];
    end
  end else if (STYLE == "distributed") begin : g_distributed
    (* rom_style = "distributed", rom_block = "logic" *) logic [DATA_W-1:0] mem [DEPTH];
    if (INIT_FILE != "") begin : g_init
      initial $readmemh(INIT_FILE, mem);
    end
    for (genvar p = 0; p < PORTS; p++) begin : g_port
      always_ff @(posedge clk)
        if (re) rdata[p*DATA_W +: DATA_W] <= mem[raddr[p*ADDR_W +: ADDR_W]];
    end
  end else begin : g_auto
    (* rom_style = "auto", rom_block = "auto" *) logic [DATA_W-1:0] mem [DEPTH];
    if (INIT_FILE != "") begin : g_init
      initial $readmemh(INIT_FILE, mem);
    end
    for (genvar p = 0; p < PORTS; p++) begin : g_port
      always_ff @(posedge clk)
        if (re) rdata[p*DATA_W +: DATA_W] <= mem[raddr[p*ADDR_W +: ADDR_W]];
    end
  end
endmodule
`default_nettype wire
