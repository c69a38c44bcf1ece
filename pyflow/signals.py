# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""SIGTERM (timeout, batch systems, IDEs) and SIGHUP end a command as Ctrl-C does: by an exception, so it cleans up."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from types import FrameType

_SIGNALS = (signal.SIGTERM, signal.SIGHUP)


class Terminated(BaseException):
    """A signal asks this process to end. status: its exit status, 128 + number."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.status = 128 + number


@contextlib.contextmanager
def as_exceptions() -> Iterator[None]:
    """Raise Terminated in the block at the first such signal; a second one does not disturb what cleans up.

    A command started by make ends with it too: nobody is there for its result when make has been killed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, _: FrameType | None) -> None:
        for each in _SIGNALS:
            signal.signal(each, signal.SIG_IGN)
        raise Terminated(number)

    # What the caller ignores (nohup) stays ignored.
    saved = {each: signal.getsignal(each) for each in _SIGNALS if signal.getsignal(each) != signal.SIG_IGN}
    for each in saved:
        signal.signal(each, stop)
    done = threading.Event()
    if "MAKELEVEL" in os.environ:
        threading.Thread(target=_end_with, args=(os.getppid(), done), daemon=True).start()
    try:
        yield
    finally:
        done.set()
        for each, handler in saved.items():
            signal.signal(each, handler)


def _end_with(parent: int, done: threading.Event) -> None:
    while not done.wait(1.0):
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(1.0)
