// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// volley_encode_phase and all it needs, leaf first; names are relative to this file (-F).
../common/volley_pass_counter.sv
volley_encode_phase.sv
