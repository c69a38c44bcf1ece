// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// volley_pool_sum and all it needs, leaf first; names are relative to this file (-F).
../common/volley_adder_tree.sv
volley_pool_sum.sv
