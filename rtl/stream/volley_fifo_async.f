// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// volley_fifo_async and all it needs, leaf first; names are relative to this file (-F).
../common/volley_ram_2clk.sv
../common/volley_sync.sv
volley_fifo_async.sv
