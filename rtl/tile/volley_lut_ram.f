// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// volley_lut_ram and all it needs, leaf first; names are relative to this file (-F).
volley_lut_ram.sv
