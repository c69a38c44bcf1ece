# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Packages that not every installation has, and how to get them."""

from __future__ import annotations

# Module -> (its project, the set of packages that has it).
SETS = {
    "torch": ("PyTorch", "models"),
    "safetensors": ("safetensors", "models"),
    "h5py": ("h5py", "nir"),
    "onnx": ("onnx", "onnx"),
    "serial": ("pyserial", "boards"),
    "sklearn": ("scikit-learn", "dev"),
}


def missing(error: ModuleNotFoundError) -> str | None:
    """One line for a module that is not installed, with the way to get it; None where it is none of these."""
    found = SETS.get((error.name or "").partition(".")[0])
    if found is None:
        return None
    project, name = found
    return f"needs {project}, which is not installed; `make venv SET={name}`, or pip install 'volley-snn[{name}]'"
