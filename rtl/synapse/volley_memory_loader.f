// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// volley_memory_loader and all it needs, leaf first; names are relative to this file (-F).
volley_memory_loader.sv
