// SPDX-License-Identifier: Apache-2.0
// volley_add and all it needs, leaf first; names are relative to this file (-F).
volley_add.sv
