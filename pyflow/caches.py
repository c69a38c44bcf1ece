# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Where the build cache is."""

from __future__ import annotations

import os
from pathlib import Path

from pyflow.errors import VolleyError


def cache_dir() -> Path:
    """Folder of everything expensive to rebuild, outside the checkout (VOLLEY_CACHE)."""
    path = Path(os.environ.get("VOLLEY_CACHE") or "~/.cache/volley").expanduser().resolve()
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise VolleyError(
            f"{path}: build cache cannot be made ({e.strerror}); set VOLLEY_CACHE to a writable folder"
        ) from None
    return path
