# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Outputs are written whole or not at all; what is no file is never replaced by one."""

from __future__ import annotations

import errno
import os
import socket
import stat
import threading
from pathlib import Path

import pytest

from pyflow.errors import VolleyError
from pyflow.writing import check_target, write_file


def test_a_file_keeps_its_mode_and_a_link_its_place(tmp_path: Path) -> None:
    file, link = tmp_path / "file", tmp_path / "link"
    write_file(file, "old")
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    file.chmod(0o640)
    link.symlink_to(file)
    write_file(link, b"new")
    assert link.is_symlink()
    assert file.read_text() == "new"
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    (tmp_path / "ahead").symlink_to(tmp_path / "later")
    write_file(tmp_path / "ahead", b"new")
    assert (tmp_path / "ahead").is_symlink()
    assert (tmp_path / "later").read_text() == "new"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["ahead", "file", "later", "link"]


def test_pipes_and_devices_are_written_to(tmp_path: Path) -> None:
    pipe, read = tmp_path / "pipe", []
    os.mkfifo(pipe)
    with pytest.raises(VolleyError, match="pipe: cannot be written"):  # nobody reads
        write_file(pipe, "x")
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    for _ in range(1000):
        try:
            write_file(pipe, b"y" * 200_000)
            break
        except VolleyError:
            reader.join(0.01)
    reader.join()
    assert read == [b"y" * 200_000]
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    write_file("/dev/null", "x")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


def test_what_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "file").write_text("mine")
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(str(tmp_path / "socket"))
    for name in ("folder", "socket", "loop", "file/x", "none/x", "n" * 300, "a\0b"):
        for action in (lambda path: write_file(path, "x"), check_target):
            with pytest.raises(VolleyError) as error:
                action(f"{tmp_path}/{name}")
            assert "writable folder" in str(error.value)
            assert "\n" not in str(error.value)
    assert (tmp_path / "file").read_text() == "mine"
    assert (tmp_path / "folder").is_dir()
    assert stat.S_ISSOCK((tmp_path / "socket").stat().st_mode)
    check_target(tmp_path / "file")
    check_target(tmp_path / "new")


def test_a_full_disk_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    (tmp_path / "file").write_text("old")
    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(VolleyError, match=r"file: cannot be written .No space left on device"):
        write_file(tmp_path / "file", "new")
    with pytest.raises(VolleyError, match="new: cannot be written"):
        write_file(tmp_path / "new", "new")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text() == "old"
