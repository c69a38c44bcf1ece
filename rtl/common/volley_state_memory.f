// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// volley_state_memory and all it needs, leaf first; names are relative to this file (-F).
volley_ram.sv
volley_state_memory.sv
