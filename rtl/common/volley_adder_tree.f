// SPDX-License-Identifier: Apache-2.0
// volley_adder_tree and all it needs, leaf first; names are relative to this file (-F).
volley_adder_tree.sv
