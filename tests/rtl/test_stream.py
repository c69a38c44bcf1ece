# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
import pytest

from verif.harness import run_bench


@pytest.mark.parametrize("data_w", [1, 33])
def test_skid(data_w):
    run_bench("volley_skid", "tb_volley_skid", {"DATA_W": data_w})


@pytest.mark.parametrize(("data_w", "depth"), [(8, 2), (1, 3), (8, 5), (8, 64), (33, 65), (8, 100)])
def test_fifo(data_w, depth):
    run_bench("volley_fifo", "tb_volley_fifo", {"DATA_W": data_w, "DEPTH": depth})


@pytest.mark.parametrize(
    "parameters",
    [
        {"DATA_W": 33, "DEPTH": 16, "SYNC_STAGES": 2},
        {"DATA_W": 8, "DEPTH": 2, "SYNC_STAGES": 2},
        {"DATA_W": 1, "DEPTH": 8, "SYNC_STAGES": 4, "STYLE": "block"},
        {"DATA_W": 9, "DEPTH": 32, "SYNC_STAGES": 3, "STYLE": "distributed"},
    ],
)
def test_fifo_async(parameters):
    run_bench("volley_fifo_async", "tb_volley_fifo_async", parameters)


@pytest.mark.parametrize(
    ("lanes_in", "lanes_out", "channels"),
    [
        (1, 4, 6),
        (1, 4, 1),
        (1, 1, 3),  # up, less than one beat, as many lanes
        (4, 4, 6),
        (4, 4, 3),  # as many lanes with padding, less than one beat
        (4, 1, 6),
        (4, 1, 4),
        (8, 2, 6),
        (6, 6, 10),  # down
        (2, 3, 7),
        (3, 5, 11),
        (5, 3, 11),
        (4, 6, 10),  # gearbox, common factor 1 and 2
        (8, 16, 6),
        (8, 16, 24),
        (3, 5, 6),  # last input beat carries more than itself
        (7, 4, 25),
        (9, 7, 40),  # room for three output beats
    ],
)
def test_lane_convert(lanes_in, lanes_out, channels):
    run_bench(
        "volley_lane_convert",
        "tb_volley_lane_convert",
        {"WORD_W": 3, "LANES_IN": lanes_in, "LANES_OUT": lanes_out, "CHANNELS": channels},
    )


@pytest.mark.long
@pytest.mark.parametrize("lanes_in", range(1, 9))
@pytest.mark.parametrize("lanes_out", range(1, 9))
def test_lane_convert_all(lanes_in, lanes_out):
    for channels in (1, lanes_in * lanes_out - 1, lanes_in + lanes_out + 1):
        test_lane_convert(lanes_in, lanes_out, max(channels, 1))


@pytest.mark.parametrize(
    ("parameters", "image"),
    [
        ({"DATA_W": 1, "DEPTH": 2}, None),
        ({"DATA_W": 9, "DEPTH": 37}, None),
        ({"DATA_W": 40, "DEPTH": 64, "INIT_FILE": "init.mem", "STYLE": "block"}, range(64)),
    ],
)
def test_ram(parameters, image):
    files = {"init.mem": "\n".join(f"{(n * 0x1234567) % (1 << 40):010x}" for n in image)} if image else {}
    run_bench("volley_ram", "tb_volley_ram", parameters, files=files)


@pytest.mark.parametrize("ports", [1, 2])
def test_rom(ports):
    words = [(n * 40503) & 0xFFFF for n in range(75)]
    run_bench(
        "volley_rom",
        "tb_volley_rom",
        {"DATA_W": 16, "DEPTH": 75, "PORTS": ports, "INIT_FILE": "rom.mem"},
        files={"rom.mem": "\n".join(f"{w:04x}" for w in words)},
    )
