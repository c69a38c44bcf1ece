// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// volley_lif_step and all it needs, leaf first; names are relative to this file (-F).
../common/volley_pkg.sv
volley_lif_step.sv
