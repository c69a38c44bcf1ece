// SPDX-License-Identifier: Apache-2.0
// volley_regs and all it needs, leaf first; names are relative to this file (-F).
volley_regs_pkg.sv
volley_regs.sv
