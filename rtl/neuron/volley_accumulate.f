// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// volley_accumulate and all it needs, leaf first; names are relative to this file (-F).
../common/volley_ram.sv
../common/volley_state_memory.sv
../common/volley_adder_tree.sv
volley_accumulate.sv
