# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
import json
from pathlib import Path

import pytest

from pyflow.sources import rtl_sources
from verif.echo_network import NAMES, echo_sources
from verif.harness import run_bench
from verif.registers import generated


@pytest.mark.parametrize("size", [3, 16, 21])
def test_frame_guard(size):
    run_bench("volley_frame_guard", "tb_volley_frame_guard", {"BYTES": size})


@pytest.mark.parametrize("addr_w", [3, 12])
def test_axil_slave(addr_w):
    run_bench("volley_axil_slave", "tb_volley_axil_slave", {"ADDR_W": addr_w})


def test_frame_result():
    run_bench("volley_frame_result", "tb_volley_frame_result", {})


@pytest.mark.parametrize(
    ("size", "channels", "pix", "classes", "lanes", "count_w", "cycle_w"),
    [
        (16, 1, 1, 4, 1, 8, 8),  # whole words
        (27, 3, 1, 10, 4, 6, 11),  # pixels straddle words, the last word is not full, logits four at a time
        (40, 1, 4, 3, 1, 7, 9),  # a word is a beat of four pixels
        (30, 3, 2, 4, 2, 7, 7),  # beats of two pixels straddle words
    ],
)
def test_top(size, channels, pix, classes, lanes, count_w, cycle_w):
    geometry = {"BYTES": size, "CHANNELS": channels, "PIX": pix, "CLASSES": classes, "LANES": lanes, "GAPS": 0}
    widths = {"COUNT_W": count_w, "CYCLE_W": cycle_w}
    run_bench(
        "volley_top",
        "tb_volley_top",
        widths,
        {"VOLLEY_NET": json.dumps(geometry)},
        sources=echo_sources(geometry),
        top=NAMES.top,
    )


@pytest.mark.parametrize(
    ("size", "channels", "pix", "classes", "lanes", "gaps"),
    [
        (16, 1, 1, 4, 1, 1),  # a soft reset also comes between the words of an answer
        (27, 3, 1, 10, 4, 0),
    ],
)
def test_axi_top(size, channels, pix, classes, lanes, gaps):
    geometry = {
        "BYTES": size,
        "CHANNELS": channels,
        "PIX": pix,
        "CLASSES": classes,
        "LANES": lanes,
        "GAPS": gaps,
    }
    run_bench(
        "volley_axi_top",
        "tb_volley_axi_top",
        {},
        {"VOLLEY_NET": json.dumps(geometry)},
        sources=echo_sources(geometry),
        top=NAMES.axi_top,
    )


def test_registers():
    ports = Path(__file__).parents[2] / "verif" / "tb" / "regs_ports.sv"
    run_bench("volley_regs", "tb_volley_regs", {}, sources=[*rtl_sources(), ports], top="regs_ports")


def test_generated_registers_are_those_of_the_map():
    stale = [path.name for path, text in generated().items() if path.read_text(encoding="utf-8") != text]
    assert not stale, "make docs"
