// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// volley_regs and all it needs, leaf first; names are relative to this file (-F).
volley_regs_pkg.sv
volley_regs.sv
