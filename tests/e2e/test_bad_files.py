# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Files that are handed to the command line: each is accepted or refused in one line, what is the user's kept."""

from __future__ import annotations

import io
import json
import os
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pyflow
from pyflow import zoo
from pyflow.__main__ import main
from pyflow.errors import VolleyError
from pyflow.graph import Network
from pyflow.operators import Accumulate, LIFNeuron, Linear, RateEncode, Readout
from pyflow.planning.planner import read_folding

Members = dict[str, bytes]


def fails(capsys: pytest.CaptureFixture[str], *args: str) -> str:
    assert main(list(args)) == 2
    lines = [line for line in capsys.readouterr().err.strip().splitlines() if not line.startswith("warning:")]
    assert len(lines) == 1, lines
    return lines[0]


@pytest.fixture
def digits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Members:
    """The members of digits.vly; the working folder is empty."""
    monkeypatch.chdir(tmp_path)
    zoo.load("digits").save("digits.vly")
    with zipfile.ZipFile("digits.vly") as z:
        return {name: z.read(name) for name in z.namelist()}


def write(members: Members, path: str = "x.vly") -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as z:
        for name, content in members.items():
            z.writestr(name, content)


def npy(x: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.save(out, x)
    return out.getvalue()


# ------------------------------------------------------------------ .vly
def _set(*path: Any, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(document: dict[str, Any]) -> None:
        for key in path[:-1]:
            document = document[key]
        document[path[-1]] = value

    return change


def _op(key: str, value: Any) -> Callable[[dict[str, Any]], None]:
    return _set("operators", 1, key, value=value)


NETWORKS: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "name is a number": (_set("name", value=5), "name '5' must be printable text"),
    "name is long": (_set("name", value="n" * 5000), "5,000 letters, at most 200"),
    "name has codes": (_set("name", value="a\x1b[2Jb"), "printable"),
    "shape has a bool": (_set("input_shape", value=[True, 8, 8]), "must be three integers"),
    "shape is text": (_set("input_shape", value="188"), "input_shape must be a list"),
    "shape is huge": (_set("input_shape", value=[1, 2**40, 8]), "1 to 65,536"),
    "scale is 0": (_set("logit_scale", value=0), "logit_scale = 0 must be a number above 0"),
    "scale is text": (_set("logit_scale", value="abc"), "logit_scale = 'abc'"),
    "scale is null": (_set("logit_scale", value=None), "logit_scale = None"),
    "scale is negative": (_set("logit_scale", value=-1.0), "above 0"),
    "rates are text": (_set("meta", "nonzero", value="x"), "meta: nonzero = 'x' must be an object"),
    "rate is a number": (_set("meta", "nonzero", value={"fc": 3}), "nonzero of 'fc' = 3"),
    "rate is no share": (_set("meta", "nonzero", "fc", "mean", value=3), "shares from 0 to 1"),
    "accuracy is text": (_set("meta", "accuracy_float", value="x"), "accuracy_float = 'x' must be a share"),
    "data is a list": (_set("meta", "data", value=[]), "data = [] must be a name"),
    "cycles are text": (_set("meta", "cycles_per_frame", value="x"), "cycles_per_frame = 'x'"),
    "operator name": (_op("name", "other"), "conv 'other': its array other.weight is missing"),
    "operator name is a number": (_op("name", 7), "must be an object with a kind and a name"),
    "operator name is long": (_op("name", "n" * 300), "is missing"),
    "kind is a list": (_op("kind", []), "kind [] is unknown; known: encode"),
    "inputs are text": (_op("inputs", "encode"), "inputs 'encode' must be a list of names"),
    "unknown key": (_op("speed", 5), "unknown key 'speed'; known: kind, name, inputs, kernel"),
    "bool for a number": (_op("weight_bits", True), "weight_bits True must be of type int"),
    "text for a number": (_op("weight_bits", "4"), "weight_bits '4' must be of type int"),
    "huge number": (_op("weight_bits", 10**30), "weight_bits"),
    "operators are many": (lambda d: d["operators"].extend(d["operators"] * 200), "x.vly"),
    "operators are null": (_set("operators", value=None), "operators must be a list, not None"),
    "key missing": (lambda d: d.pop("meta"), "network.json: key 'meta' is missing"),
    "version is a bool": (_set("version", value=True), "version True, this release reads 1 to 3"),
    "input encoding": (_set("input_encoding", value="morse"), "encoding 'morse' is unknown"),
    "edges are text": (_set("state_edges", value=["x"]), "state edge 'x' must be an object"),
    "edge's shape": (
        _set("state_edges", value=[{"source": "fc", "name": "e", "shape": [1, True, 1], "encoding": "rate", "steps": 4,
                                    "bound": 1}]),
        "shape [1, True, 1] must be three integers",
    ),
    "edge's delay": (
        _set("state_edges", value=[{"source": "fc", "name": "e", "shape": [1, 1, 1], "encoding": "rate", "steps": 4,
                                    "bound": 1, "delay": [1, 2]}]),
        "state edge 'e' from 'fc': one delay per synapse or neuron is not built",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", NETWORKS)
def test_descriptions_of_networks(case: str, digits: Members, capsys: pytest.CaptureFixture[str]) -> None:
    change, word = NETWORKS[case]
    document = json.loads(digits["network.json"])
    change(document)
    write({**digits, "network.json": json.dumps(document).encode()})
    assert word in fails(capsys, "compile", "--net", "x.vly")
    assert sorted(os.listdir()) == ["digits.vly", "x.vly"]


ARRAYS: dict[str, tuple[Callable[[Members], Any], str]] = {
    "missing": (lambda m: m.pop("conv1.weight.npy"), "conv 'conv1': its array conv1.weight is missing"),
    "left over": (lambda m: m.update({"y.npy": m["fc.weight.npy"]}), "array 'y' belongs to no operator"),
    "another's": (lambda m: m.update({"conv1.weight.npy": m["fc.weight.npy"]}), "conv1"),
    "transposed": (lambda m: m.update({"conv2.weight.npy": npy(np.zeros((3, 3, 8, 16), np.int8))}), "conv2"),
    "float": (lambda m: m.update({"fc.weight.npy": npy(np.full((10, 64, 1, 1), 0.5))}), "0.5 is not an integer"),
    "promise": (lambda m: m.update({"fc.weight.npy": m["fc.weight.npy"].replace(b"(10, ", b"(99, ")}), "promises"),
    "a gibibyte": (lambda m: m.update({"fc.weight.npy": bytes(65 << 20)}), "unpacked it has"),
    "large JSON": (lambda m: m.update({"network.json": b" " * (5 << 20)}), "at most 4,194,304 are read"),
    "no JSON": (lambda m: m.pop("network.json"), "no 'network.json'"),
    "deep JSON": (lambda m: m.update({"network.json": b"[" * 100_000}), "64 levels"),
}


@pytest.mark.parametrize("case", ARRAYS)
def test_arrays_of_networks(case: str, digits: Members, capsys: pytest.CaptureFixture[str]) -> None:
    change, word = ARRAYS[case]
    change(digits)
    write(digits)
    assert word in fails(capsys, "compile", "--net", "x.vly")


def test_names_that_lead_out_of_a_network_are_not_read(digits: Members) -> None:
    write({**digits, "../../x.npy": b"1", "/tmp/x.npy": b"2"})
    assert Network.load("x.vly").run(np.zeros((1, 1, 8, 8))).shape == (1, 10)


def test_weights_stay_narrow() -> None:
    weight = np.ones((4, 2**20, 1, 1), np.int8)
    import tracemalloc

    tracemalloc.start()
    assert Linear("fc", ("x",), weight=weight).gain() == 2**20
    assert tracemalloc.get_traced_memory()[1] < 6 * weight.nbytes
    tracemalloc.stop()


def test_long_frames_are_refused_before_they_are_scheduled() -> None:
    ops = (
        RateEncode("enc", ("input",), steps=2**23), Linear("fc", ("enc",), weight=np.ones((2, 36, 1, 1), np.int8)),
        LIFNeuron("lif", ("fc",), theta=np.ones(2, int)),
        Linear("last", ("lif",), weight=np.ones((2, 2, 1, 1), np.int8)),
        Accumulate("sum", ("last",)), Readout("out", ("sum",), bias=np.zeros(2, int)),
    )  # fmt: skip
    with pytest.raises(VolleyError, match=r"'enc' has 75,497,472 words a frame, at most 65,536 .* or time steps"):
        pyflow.compile(Network("long", (1, 6, 6), ops))


def test_long_layer_names(tmp_path: Path) -> None:
    with pytest.raises(VolleyError, match="has 300 letters, at most 200; rename the layer"):
        Network("x", (1, 1, 1), (RateEncode("n" * 300, ("input",)),))


# ------------------------------------------------------------------ data
def test_labels_that_wrap(digits: Members, capsys: pytest.CaptureFixture[str]) -> None:
    np.savez("d.npz", x=np.zeros((2, 1, 8, 8), np.uint8), y=np.array([0, 2**64 - 1], np.uint64))
    assert "18446744073709551615 is above" in fails(capsys, "convert", "--net", "digits.vly", "--data", "d.npz")


def test_data_larger_than_is_read(digits: Members, capsys: pytest.CaptureFixture[str]) -> None:
    with Path("d.npz").open("wb") as f:
        f.truncate(2 << 30)
    assert "805,306,368" in fails(capsys, "convert", "--net", "digits.vly", "--data", "d.npz")
    os.mkfifo("pipe.npz")
    assert "is a pipe" in fails(capsys, "convert", "--net", "digits.vly", "--data", "pipe.npz")


# ------------------------------------------------------------------ folding.json
FOLDINGS = [
    ("conv2", {"rows": 10**9}, "multiple of the kernel height 3, at most 15"),
    ("conv2", {"rows": 1, "slice": "column"}, "multiple of the kernel height 3"),
    ("conv2", {"slice": "tap", "rows": 3}, "has no line buffer"),
    ("fc", {"rows": 3}, "has no line buffer"),
    ("conv2", {"slice": "all", "pe": 16, "lanes": 8, "window_depth": 64}, "window is not folded"),
    ("conv2", {"slice": "tap", "window_depth": 2**40}, "at most"),
    ("fc", {"pe": 5, "window_depth": 2**40}, "at most"),
    ("fc", {"events": 2, "pe": 5, "window_depth": 2**40}, "at most"),
]  # fmt: skip


@pytest.mark.parametrize(("layer", "change", "word"), FOLDINGS)
def test_ignored_values_of_a_folding(layer: str, change: dict[str, Any], word: str, tmp_path: Path) -> None:
    layers: dict[str, Any] = {"conv1": {}, "conv2": {"slice": "column"}, "fc": {}}
    layers[layer] = {**layers[layer], **change}
    with pytest.raises(VolleyError, match=word) as error:
        pyflow.compile(zoo.load("digits"), out_dir=tmp_path, folding={"layers": layers})
    assert f"folding of {layer}" in str(error.value)


@pytest.mark.parametrize("beats", [4.7, "8", True, None, 1, -1, 2**40, []])
def test_beats_of_a_fifo(beats: Any) -> None:
    with pytest.raises(VolleyError, match=r"fifos: pool1 = .* must be an integer from 2 to 1,048,576"):
        read_folding({"layers": {}, "fifos": {"pool1": beats}})


@pytest.mark.parametrize("top", [{"fifos": []}, {"version": True}, {"version": 1.0}, {"version": None}])
def test_tops_of_a_folding(top: dict[str, Any]) -> None:
    with pytest.raises(VolleyError, match=r"fifos|version"):
        read_folding({"layers": {}, **top})


# ------------------------------------------------------------------ report.json
def test_foreign_reports(digits: Members, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compile", "--net", "digits.vly", "--json", "out.json"]) == 0
    from pyflow.planning.board import load_board
    from pyflow.report import blank

    good = blank(pyflow.compile(zoo.load("digits"), out_dir="b"), load_board("pynq-z2")).to_json()
    Path("good.json").write_text(json.dumps(good))
    assert main(["report", "good.json"]) == 0
    capsys.readouterr()
    Path("part.json").write_text(json.dumps(good | {"frames_compared": 9, "mismatches": 0}))  # else nothing measured
    assert main(["report", "part.json"]) == 0
    assert "latency             - cycles measured" in capsys.readouterr().out
    for change, word in (
        ({"layers": [{**good["layers"][1], "folding": {"a": 1}}]}, "folding"),
        ({"layers": [{**good["layers"][1], "folding": {**good["layers"][1]["folding"], "folds": [1]}}]}, "folds"),
        ({"layers": 5}, "layers"), ({"area": {}}, "area"), ({"version": 2}, "version"),
    ):  # fmt: skip
        Path("x.json").write_text(json.dumps({**good, **change}))
        assert word in fails(capsys, "report", "x.json")
    for text in ("[" * 100_000, "[]", "5", "NaN", ""):
        Path("x.json").write_text(text)
        assert "x.json" in fails(capsys, "report", "x.json")


# ------------------------------------------------------------------ what is in OUT
def edited(folder: str = "out", pe: int = 2) -> str:
    """Edit folding.json as a user would."""
    path = Path(folder, "folding.json")
    found = json.loads(path.read_text())
    found["layers"]["fc"]["pe"] = pe
    path.write_text(json.dumps(found))
    return path.read_text()


def test_an_edited_folding_is_used_until_asked_otherwise(digits: Members, capsys: pytest.CaptureFixture[str]) -> None:
    run = ["compile", "--net", "digits.vly", "--out", "out"]
    assert main(run) == 0 == main([*run, "--board", "ulx3s-85f"]) == main(run)  # as planned: planned anew
    assert "edited" not in capsys.readouterr().err
    planned = Path("out/folding.json").read_text()
    mine = edited()
    for _ in range(2):
        assert main(run) == 0
        assert "out/folding.json: was edited and is used; FOLDING=auto plans anew" in capsys.readouterr().err
        assert Path("out/folding.json").read_text() == mine
        assert ".PE(2)" in Path("out/rtl/digits_net.sv").read_text().replace(" ", "")
    assert main([*run, "--folding", "out/folding.json"]) == 0
    assert Path("out/folding.json").read_text() == mine
    Path("other.json").write_text(planned)
    assert "would be lost" in fails(capsys, *run, "--folding", "other.json")
    assert "cycles_per_frame=300" in fails(capsys, *run, "--cycles", "300")
    assert Path("out/folding.json").read_text() == mine
    assert main([*run, "--folding", "auto"]) == 0
    assert Path("out/folding.json").read_text() == planned
    assert main([*run, "--folding", "auto", "--cycles", "300"]) == 0 == main(run)


def test_an_edited_folding_that_does_not_fit(digits: Members, capsys: pytest.CaptureFixture[str]) -> None:
    run = ["compile", "--net", "digits.vly", "--out", "out"]
    assert main(run) == 0
    for text, word in ((edited(pe=99), "pe=99"), ("[", "not JSON"), ('{"layers": {}}', "'conv1' is missing")):
        Path("out/folding.json").write_text(text)
        message = fails(capsys, *run)
        assert word in message
        assert message.endswith("plan anew with FOLDING=auto")
        assert Path("out/folding.json").read_text() == text
    assert main([*run, "--folding", "auto"]) == 0


def test_a_folding_that_is_broken_can_be_planned_anew(digits: Members) -> None:
    run = ["compile", "--net", "digits.vly", "--out", "out"]
    for text in ("[", "{}", "", '{"layers": 3}'):
        assert main(run) == 0
        Path("out/folding.json").write_text(text)
        assert main([*run, "--folding", "auto"]) == 0


def test_without_the_record_a_folding_counts_as_edited(digits: Members, capsys: pytest.CaptureFixture[str]) -> None:
    run = ["compile", "--net", "digits.vly", "--out", "out"]
    assert main(run) == 0
    mine = edited()
    Path("out/written.json").write_text("damaged")
    assert "remove it" in fails(capsys, *run)
    os.remove("out/written.json")
    assert main(run) == 0
    assert "was edited and is used" in capsys.readouterr().err
    assert Path("out/folding.json").read_text() == mine


def test_files_beside_ours_are_kept(digits: Members, capsys: pytest.CaptureFixture[str]) -> None:
    run = ["compile", "--net", "digits.vly", "--out", "out"]
    assert main(run) == 0
    os.makedirs("out/.new-mine")
    Path("out/.new-mine/thesis.txt").write_text("mine")
    assert main(run) == 0
    assert Path("out/.new-mine/thesis.txt").read_text() == "mine"
    for folder in ("out", "fresh"):
        os.makedirs(f"{folder}/rtl", exist_ok=True)
        Path(folder, "rtl", "coeff.mem").write_text("0\n")
        assert "coeff.mem was not written by Volley" in fails(capsys, *run[:-1], folder)
        assert Path(folder, "rtl", "coeff.mem").exists()


def test_no_output_takes_the_place_of_an_input(digits: Members, capsys: pytest.CaptureFixture[str]) -> None:
    before = Path("digits.vly").read_bytes()
    os.symlink("digits.vly", "link.vly")
    for args in (
        ["convert", "--net", "digits.vly", "--out", "digits.vly"],
        ["convert", "--net", "digits.vly", "--out", "link.vly"],
        ["compile", "--net", "digits.vly", "--out", "o", "--json", "digits.vly"],
        ["convert", "--net", "digits.vly", "--out", "c.vly", "--json", "c.vly"],
    ):
        assert "as well; choose another file" in fails(capsys, *args)
    assert Path("digits.vly").read_bytes() == before
    assert not os.path.exists("c.vly")


def test_a_folding_put_into_a_new_folder_is_used(digits: Members, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compile", "--net", "digits.vly", "--out", "out"]) == 0
    os.mkdir("new")
    Path("new/folding.json").write_text(edited())
    assert main(["compile", "--net", "digits.vly", "--out", "new"]) == 0
    assert "new/folding.json: was edited and is used" in capsys.readouterr().err


def test_what_is_not_ours_is_kept(digits: Members, capsys: pytest.CaptureFixture[str]) -> None:
    for name, content in (("network.vly", b"mine"), ("folding.json", b"mine")):
        folder = Path(f"of-{name}")
        folder.mkdir()
        (folder / name).write_bytes(content)
        for more in ([], ["--folding", "auto"]):
            fails(capsys, "compile", "--net", "digits.vly", "--out", str(folder), *more)
            assert (folder / name).read_bytes() == content
            assert os.listdir(folder) == [name]
    os.mkdir("own")
    zoo.load("digits").save("own/network.vly")  # a network of one's own, which is compiled where it lies
    assert main(["compile", "--net", "own/network.vly", "--out", "own"]) == 0
    zoo.load("digits").with_meta(note="trained longer").save("own/network.vly")
    kept = Path("own/network.vly").read_bytes()
    assert "network.vly was not written by Volley" in fails(capsys, "compile", "--net", "digits.vly", "--out", "own")
    assert Path("own/network.vly").read_bytes() == kept
    for name in ("rtl", "host", "network.vly", "folding.json"):
        os.makedirs(f"link-{name}")
        Path(f"link-{name}", name).symlink_to(Path("elsewhere").absolute())
        Path("elsewhere").mkdir(exist_ok=True)
        assert "would be lost" in fails(capsys, "compile", "--net", "digits.vly", "--out", f"link-{name}")


def test_names_of_outputs(digits: Members, capsys: pytest.CaptureFixture[str]) -> None:
    long = "n" * 300
    assert "File name too long" in fails(capsys, "compile", "--net", "digits.vly", "--out", long)
    for option in (["convert", "--out"], ["compile", "--json"]):
        for name, word in ((long, "too long"), ("none/x", "none"), (".", "folder")):
            assert word in fails(capsys, option[0], "--net", "digits.vly", option[1], name)
    os.mkfifo("pipe")
    assert "pipe" in fails(capsys, "convert", "--net", "digits.vly", "--out", "pipe")
    assert stat.S_ISFIFO(os.stat("pipe").st_mode)
    assert main(["convert", "--net", "digits.vly", "--out", "/dev/null"]) == 0
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


def test_options_are_refused_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    for args in (["compile", "--cycles", "x"], ["compile", "--nosuch"], ["nosuch"], []):
        with pytest.raises(SystemExit) as error:
            main(args)
        assert error.value.code == 2
        assert len(capsys.readouterr().err.strip().splitlines()) == 1
