// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// volley_packet_tx and all it needs, leaf first; names are relative to this file (-F).
volley_crc32.sv
volley_packet_tx.sv
