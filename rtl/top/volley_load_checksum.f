// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// volley_load_checksum and all it needs, leaf first; names are relative to this file (-F).
../host/volley_crc32.sv
volley_load_checksum.sv
