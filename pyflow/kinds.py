# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""What a file is that is none of ours, by its first bytes or its ending: for messages."""

from __future__ import annotations

from pathlib import Path

from pyflow.errors import VolleyError

_MODEL = "give the PyTorch model, my_net.py:build"
_WEIGHTS = "holds weights, perhaps a whole module, and not layers that can be read without running code; give "
_WEIGHTS += "NET=my_net.py:build, which makes the model, and WEIGHTS={}"
_BY_ENDING = {
    ".onnx": f"is an ONNX model; a front end for ONNX is not built yet; {_MODEL}",
    **dict.fromkeys((".h5", ".hdf5", ".keras"), f"is a Keras model or another HDF5 file; not built; {_MODEL}"),
    **dict.fromkeys((".pb", ".tflite"), f"is a TensorFlow model; not built; {_MODEL}"),
    **dict.fromkeys((".pt", ".pth", ".ckpt", ".bin", ".safetensors"), _WEIGHTS),
    **dict.fromkeys((".pkl", ".pickle", ".joblib"), f"is a pickle, which is never loaded; {_MODEL}"),
    **dict.fromkeys((".npz", ".npy"), "is data, not a network; give it as DATA={}"),
    ".json": "is a text file, not a network; a folding goes into FOLDING={}",
    ".pt2": f"is a program of torch.export; not built; {_MODEL}",
}
_STARTS = (
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file; call it .nir if it is a NIR graph, .net if it is a network of Lava"),
    (b"\x93NUMPY", "a numpy array (.npy)"),
    (b"GGUF", "a GGUF file"),
    (b"\x1f\x8b", "a gzip archive; unpack it"),
    (b"BZh", "an archive; unpack it"),
    (b"\xfd7zXZ", "an archive; unpack it"),
    (b"7z\xbc\xaf", "an archive; unpack it"),
    (b"version https://git-lfs", "a pointer of Git LFS; fetch the file with `git lfs pull`"),
)


def foreign(head: bytes) -> str:
    """What a file that begins with `head` (512 bytes) is; "" if unknown."""
    for start, kind in _STARTS:
        if head.startswith(start):
            return kind
    if head[4:8] == b"TFL3":
        return "a TensorFlow Lite model"
    if head[:1] == b"\x08" and any(word in head.lower() for word in (b"pytorch", b"onnx", b"ir_version")):
        return "an ONNX model"
    if head[257:262] == b"ustar":
        return "an archive; unpack it"
    return "a web page" if head.lstrip()[:1] == b"<" else ""


def refuse_net(net: str) -> None:
    """Raises VolleyError where the `--net` that is neither shipped nor ours names a file of a known kind."""
    path = Path(net)
    said = _BY_ENDING.get(path.suffix.lower())
    if said:
        missing = "" if path.exists() else "no such file; it "
        raise VolleyError(f"{net}: {missing}{said.format(net)}")
    if path.is_dir():
        raise VolleyError(f"{net}: is a folder; give a shipped network, a .vly or .onnx file, or FILE.py:FUNCTION")
    if path.is_file():
        try:
            with path.open("rb") as file:
                kind = foreign(file.read(512))
        except OSError as e:
            raise VolleyError(f"{net}: cannot be read ({e.strerror})") from None
        raise VolleyError(f"{net}: is {kind or 'no network'}; give a .vly or .onnx file, or FILE.py:FUNCTION")
