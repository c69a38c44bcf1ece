// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// volley_replay and all it needs, leaf first; names are relative to this file (-F).
../common/volley_ram.sv
../common/volley_pass_counter.sv
../window/volley_window_fold.sv
volley_replay.sv
