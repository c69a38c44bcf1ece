# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Packs the 1,797 handwritten digits that scikit-learn carries into digits.npz: `python -m pyflow.zoo.digits_images`.

They are the test set of "Optical Recognition of Handwritten Digits" (E. Alpaydin, C. Kaynak; UCI Machine Learning
Repository, CC BY 4.0): counts of 4 x 4 blocks of black pixels.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

FILE = Path(__file__).with_name("digits.npz")


def arrays() -> dict[str, np.ndarray]:
    """images: uint8 [1797, 8, 8], 0..16; labels: uint8 [1797]."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    return {"images": bunch.images.astype(np.uint8), "labels": bunch.target.astype(np.uint8)}


if __name__ == "__main__":
    np.savez_compressed(FILE, **arrays())  # type: ignore[arg-type]
    print(f"{FILE}: {FILE.stat().st_size:,} bytes")
