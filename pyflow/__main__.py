# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Command line: python -m pyflow sim|convert|compile|simulate|estimate|report|bitstream|program|analyse and others."""

from __future__ import annotations

import argparse
import contextlib
import errno
import json
import logging
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from pyflow import __version__, options, signals
from pyflow.errors import VolleyError, one_line
from pyflow.frames import NearlyBlack
from pyflow.jobs import COMMANDS
from pyflow.packages import missing
from pyflow.writing import check_target, write_file

# Errors of files that are the machine's, not ours: full, broken, read-only.
_OF_THE_MACHINE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ENOMEM, errno.EMFILE, errno.ENFILE}


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, without the usage in front."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {one_line(message)} (--help lists the options)\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="pyflow", description="PyTorch networks as bit-exact spiking accelerators.")
    parser.add_argument("--version", action="version", version=__version__)
    parser.add_argument("-v", "--verbose", action="store_true", help="log what is being done")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    for name, what in options.COMMANDS.items():
        command = commands.add_parser(name, help=what, description=what)
        command.add_argument("-v", "--verbose", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
        options.add_to(name, command)
    return parser


def _one_warning() -> Callable[..., None]:
    """Shows a warning on one line; of images that are nearly black the first alone, since they come by again as
    calibration and as input."""
    said: set[type[Warning]] = set()

    def show(message: Warning | str, category: type[Warning], *_a: object, **_k: object) -> None:
        if category is NearlyBlack and category in said:
            return
        said.add(category)
        print(f"warning: {one_line(message)}", file=sys.stderr)

    return show


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; exit status 0, 1 (mismatch, does not fit) or 2 (a VolleyError, printed as one line)."""
    args = _parser().parse_args(argv)
    logging.basicConfig(level=logging.INFO if args.verbose else logging.WARNING, format="%(name)s: %(message)s")
    warnings.showwarning = _one_warning()
    try:
        with signals.as_exceptions(), contextlib.ExitStack() as args.until_end:
            _check_options(args)
            status, outcome = COMMANDS[args.command](args)
            if args.json:
                _checked("--json", write_file, args.json, json.dumps(outcome, indent=2) + "\n")
        return int(status)
    except VolleyError as e:
        print(f"pyflow {args.command}: {one_line(e)}", file=sys.stderr)
        return 2
    except ModuleNotFoundError as e:
        if (line := missing(e)) is None:
            return _internal(args, e)
        print(f"pyflow {args.command}: {line}", file=sys.stderr)
        return 2
    except MemoryError:
        print(f"pyflow {args.command}: needs more memory than there is; give less data", file=sys.stderr)
        return 2
    except signals.Terminated as e:
        print(f"pyflow {args.command}: terminated", file=sys.stderr)
        return e.status
    except BrokenPipeError:
        sys.stderr.close()  # or Python complains of stdout at its end
        return 141
    except OSError as e:
        if args.verbose or e.errno not in _OF_THE_MACHINE:
            return _internal(args, e)
        where = f"{one_line(e.filename)}: " if e.filename else ""
        way = "make room, or choose another folder (OUT=)"
        print(f"pyflow {args.command}: {where}{e.strerror}; {way}", file=sys.stderr)
        return 2
    except Exception as e:
        return _internal(args, e)
    except KeyboardInterrupt:
        print(f"pyflow {args.command}: interrupted", file=sys.stderr)
        return 130


def _internal(args: argparse.Namespace, e: Exception) -> int:
    """A bug of ours: still one line, and a way to see where."""
    if args.verbose:
        raise e
    print(f"pyflow {args.command}: internal error: {type(e).__name__}: {e} (-v shows where)", file=sys.stderr)
    return 3


def _check_options(args: argparse.Namespace) -> None:
    """What would otherwise be found out only after the work is done."""
    for option, low in (("frames", 1), ("seed", 0), ("finetune", 0), ("cycles", 1), ("time_block", 1)):
        value = getattr(args, option, None)
        if value is not None and value < low:
            raise VolleyError(f"--{option.replace('_', '-')} {value} must be at least {low}")
    if getattr(args, "checkpoint", None) and not args.finetune:
        raise VolleyError("--checkpoint keeps fine-tuning, which is not asked for; add --finetune EPOCHS")
    for option in ("json", "logits", "checkpoint"):
        value = getattr(args, option, None)
        if value:
            _checked(f"--{option}", check_target, value)
    _check_outputs(args)


_FILES = ("file", "net", "weights", "data", "folding", "json", "logits", "checkpoint", "out")


def _check_outputs(args: argparse.Namespace) -> None:
    """No output may take the place of an input, nor of another output."""
    given = {n: getattr(args, n, None) for n in _FILES}
    paths = {
        name: os.path.realpath(value.split(".py:")[0] + ".py" if name == "net" and ".py:" in value else value)
        for name, value in given.items()
        if isinstance(value, str) and value
    }
    outputs = [name for name in ("json", "logits", "checkpoint", "out") if name in paths]
    for output in outputs:
        for other, path in paths.items():
            if other != output and path == paths[output] and not os.path.isdir(path):
                raise VolleyError(f"--{output} {given[output]}: is --{other} as well; choose another file")


def _checked(option: str, action: Callable[..., None], *values: Any) -> None:
    """Call `action`; its VolleyError begins with the option that the value is of."""
    try:
        action(*values)
    except VolleyError as e:
        raise VolleyError(f"{option} {e}") from None


if __name__ == "__main__":
    sys.exit(main())
