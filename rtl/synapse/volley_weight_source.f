// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// volley_weight_source and all it needs, leaf first; names are relative to this file (-F).
../common/volley_ram.sv
../common/volley_rom.sv
volley_weight_source.sv
