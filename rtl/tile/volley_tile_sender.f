// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// volley_tile_sender and all it needs, leaf first; names are relative to this file (-F).
../common/volley_ram.sv
../stream/volley_skid.sv
../stream/volley_fifo.sv
volley_tile_pkg.sv
volley_lut_ram.sv
volley_tile_sender.sv
