// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// volley_tile_lif and all it needs, leaf first; names are relative to this file (-F).
volley_tile_lif.sv
