// SPDX-License-Identifier: Apache-2.0
// Ports of the accelerator's top with registers, where rtl/top does not have it: enough for the block design.
`default_nettype none
module volley_axi_top_wrapper (
  (* X_INTERFACE_PARAMETER = "XIL_INTERFACENAME clk, ASSOCIATED_BUSIF s_axis:m_axis:s_axi_ctrl" *)
  input  wire        clk,
  input  wire        aresetn,
  input  wire        s_axis_tvalid,
  output wire        s_axis_tready,
  input  wire [31:0] s_axis_tdata,
  input  wire [3:0]  s_axis_tkeep,
  input  wire        s_axis_tlast,
  output wire        m_axis_tvalid,
  input  wire        m_axis_tready,
  output wire [31:0] m_axis_tdata,
  output wire [3:0]  m_axis_tkeep,
  output wire        m_axis_tlast,
  input  wire [11:0] s_axi_ctrl_awaddr,
  input  wire [2:0]  s_axi_ctrl_awprot,
  input  wire        s_axi_ctrl_awvalid,
  output wire        s_axi_ctrl_awready,
  input  wire [31:0] s_axi_ctrl_wdata,
  input  wire [3:0]  s_axi_ctrl_wstrb,
  input  wire        s_axi_ctrl_wvalid,
  output wire        s_axi_ctrl_wready,
  output wire [1:0]  s_axi_ctrl_bresp,
  output wire        s_axi_ctrl_bvalid,
  input  wire        s_axi_ctrl_bready,
  input  wire [11:0] s_axi_ctrl_araddr,
  input  wire [2:0]  s_axi_ctrl_arprot,
  input  wire        s_axi_ctrl_arvalid,
  output wire        s_axi_ctrl_arready,
  output wire [31:0] s_axi_ctrl_rdata,
  output wire [1:0]  s_axi_ctrl_rresp,
  output wire        s_axi_ctrl_rvalid,
  input  wire        s_axi_ctrl_rready
);
  volley_top u_top (.clk(clk), .aresetn(aresetn));
endmodule
`default_nettype wire
