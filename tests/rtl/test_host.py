# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
import json

import pytest

from verif.echo_network import NAMES, SMALL, echo_sources
from verif.harness import run_bench


@pytest.mark.parametrize("divisor", [4, 7, 12])
def test_uart_rx(divisor):
    run_bench("volley_uart_rx", "tb_volley_uart_rx", {"DIVISOR": divisor})


@pytest.mark.parametrize("divisor", [2, 7])
def test_uart_tx(divisor):
    run_bench("volley_uart_tx", "tb_volley_uart_tx", {"DIVISOR": divisor})


@pytest.mark.parametrize("size", [8, 32, 256])
def test_packet_rx(size):
    run_bench("volley_packet_rx", "tb_volley_packet_rx", {"SIZE": size})


def test_packet_tx():
    run_bench("volley_packet_tx", "tb_volley_packet_tx", {})


def test_host_command():
    run_bench("volley_host_command", "tb_volley_host_command", {})


@pytest.mark.parametrize(("clk_hz", "baud"), [(4_000_000, 1_000_000), (12_000_000, 1_000_000)])
def test_uart_top(clk_hz, baud):
    run_bench(
        "volley_uart_top",
        "tb_volley_uart_top",
        {"CLK_HZ": clk_hz, "BAUD": baud},
        {"VOLLEY_NET": json.dumps(SMALL)},
        sources=echo_sources(),
        top=NAMES.uart_top,
    )
