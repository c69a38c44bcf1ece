// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// volley_pass_counter and all it needs, leaf first; names are relative to this file (-F).
volley_pass_counter.sv
