// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// volley_aer_pack and all it needs, leaf first; names are relative to this file (-F).
volley_aer_pack.sv
