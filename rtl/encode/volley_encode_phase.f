// SPDX-License-Identifier: Apache-2.0
// volley_encode_phase and all it needs, leaf first; names are relative to this file (-F).
../common/volley_pass_counter.sv
volley_encode_phase.sv
