# SPDX-License-Identifier: Apache-2.0
import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Folder of MNIST (idx, idx.gz or MNIST/raw); tests that need it are skipped without it."""
    name = os.environ.get("DATA_DIR")
    if not name:
        pytest.skip("set DATA_DIR= to a folder with MNIST")
    path = Path(name).expanduser().resolve()
    if not path.is_dir():
        pytest.fail(f"DATA_DIR={name} is not a folder")
    return path
