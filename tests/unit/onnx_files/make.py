# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Makes the files of this folder: `python -m tests.unit.onnx_files.make`, in an environment of its own that has torch
2.13.0, onnx 1.23.2, onnxscript 0.7.2, onnxoptimizer 0.4.2 and brevitas 0.13.4.

<net>_qonnx.onnx, <net>_qcdq.onnx: networks of tests/unit/brevitas_nets.py as Brevitas exports them, trained on the
digits. <net>.npz: what Brevitas computes of 24 test images, in PyTorch. digits.onnx: the shipped network's float model
by torch.onnx.export (dynamo). Exporters' notes on the nodes are left out, and weights are brought into the file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from brevitas.export import export_onnx_qcdq, export_qonnx
from safetensors.torch import load_file

from pyflow.data import load
from pyflow.zoo import digits
from tests.unit.brevitas_nets import NETS, SHAPE, Cnn, accuracy, trained

HERE = Path(__file__).parent
MOST = 100_000  # bytes of a file
IMAGES = 24


def packed(path: Path) -> None:
    """The same model in one file, without metadata."""
    model = onnx.load(path)
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.input, *graph.output, *graph.initializer):
        del part.metadata_props[:]
    del graph.value_info[:]
    Path(f"{path}.data").unlink(missing_ok=True)
    path.write_bytes(model.SerializeToString())
    assert path.stat().st_size < MOST
    print(f"{path.name}: {path.stat().st_size:,} bytes")


def codes_of(model: torch.nn.Module, x: torch.Tensor) -> dict[str, np.ndarray]:
    """By name of a module, the codes of its quantiser; and the logits."""
    found: dict[str, np.ndarray] = {}

    def keep(name: str) -> Any:
        def hook(_module: Any, _inputs: Any, out: Any) -> None:
            found[name] = torch.round(out.value / out.scale).numpy().astype(np.uint8)

        return hook

    hooks = [m.register_forward_hook(keep(n)) for n, m in model.named_children() if n in ("relu1", "relu2", "mean")]
    with torch.no_grad():
        found["logits"] = model(x).numpy()
    for each in hooks:
        each.remove()
    return found


def main() -> None:
    x = torch.from_numpy(load("digits").x_test[:IMAGES])
    for name, options in NETS.items():
        torch.manual_seed(1)
        model = trained(Cnn(**options))
        print(f"{name}: {100 * accuracy(model):.1f} % of the digits")
        pixels = torch.floor(255 * x + 0.5) / 255
        np.savez_compressed(HERE / f"{name}.npz", **codes_of(model, pixels))  # type: ignore[arg-type]
        export_qonnx(model, args=torch.rand(1, *SHAPE), export_path=str(HERE / f"{name}_qonnx.onnx"))
        packed(HERE / f"{name}_qonnx.onnx")
        if not options.get("int8_bias"):  # Brevitas refuses quantised biases in this form
            export_onnx_qcdq(model, args=torch.rand(1, *SHAPE), export_path=str(HERE / f"{name}_qcdq.onnx"))
            packed(HERE / f"{name}_qcdq.onnx")
    model = digits.build()
    model.load_state_dict(load_file(Path(digits.__file__).with_suffix(".safetensors")))
    torch.onnx.export(model.eval(), (torch.rand(1, *digits.INPUT_SHAPE),), str(HERE / "digits.onnx"), dynamo=True)
    packed(HERE / "digits.onnx")


if __name__ == "__main__":
    main()
