# SPDX-License-Identifier: Apache-2.0
import pytest

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
