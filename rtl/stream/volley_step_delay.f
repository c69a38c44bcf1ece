// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// volley_step_delay and all it needs, leaf first; names are relative to this file (-F).
../common/volley_ram.sv
../common/volley_pass_counter.sv
volley_skid.sv
volley_fifo.sv
volley_step_delay.sv
