// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// volley_encode_delta and all it needs, leaf first; names are relative to this file (-F).
../common/volley_ram.sv
../common/volley_state_memory.sv
volley_encode_delta.sv
