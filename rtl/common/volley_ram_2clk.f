// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// volley_ram_2clk and all it needs, leaf first; names are relative to this file (-F).
volley_ram_2clk.sv
