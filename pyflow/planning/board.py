# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""A board: part, flow, clock and budget of cells, read from boards/<name>/board.toml."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any

from pyflow.errors import VolleyError
from pyflow.reading import read_bytes
from pyflow.sources import share

FAMILIES = ("xc7", "xcup", "ecp5", "ice40")
FLOWS = ("vivado", "nextpnr")


@dataclass(frozen=True, slots=True)
class Budget:
    """Cells of the part. lut: of its own kind (LUT6, LUT4). bram: block RAMs of `bram_kbit` kbit each
    (parity included); a half one counts 0.5."""

    lut: int
    ff: int
    bram: int
    bram_kbit: int
    dsp: int

    def brams(self, bram36: float) -> float:
        """Block RAMs of this part, at least, for so many of 36 kbit: by their bits, where the part's are smaller."""
        return bram36 * max(1, 36 / self.bram_kbit)


@dataclass(frozen=True, slots=True)
class Board:
    """name: folder under boards/. family: of the synthesis (FAMILIES). flow: what makes the bitstream.
    clock_mhz: of the accelerator, assumed or targeted. oscillator_mhz: what the board supplies.
    baud: of the UART to the host, 0 where there is none. loader: the board's name for openFPGALoader.
    skids: plans get skid registers around every synapse array and line buffer (Folding.skid): what the clock needs on
    a slow fabric. The planner then lets no layer skip zeros."""

    name: str
    title: str
    part: str
    family: str
    flow: str
    clock_mhz: float
    oscillator_mhz: float
    budget: Budget
    baud: int = 0
    loader: str = ""
    skids: bool = False


def overflows(used: Mapping[str, float], there: Mapping[str, float]) -> tuple[str, ...]:
    """What of the cells `used` does not fit those that are `there`, one phrase each; empty if all does."""
    phrases = []
    for key, limit in there.items():
        if used[key] > limit:
            over = f"{100 * (used[key] - limit) / limit:.1f} % over" if limit else "the part has none"
            phrases.append(f"{key} {used[key]:,g} of {limit:,g}, {over}")
    return tuple(phrases)


def board_names() -> tuple[str, ...]:
    """Boards that have a board.toml."""
    return tuple(sorted(path.parent.name for path in share("boards").glob("*/board.toml")))


def load_board(name: str) -> Board:
    """The board called `name`. Raises VolleyError if there is none or its file is malformed."""
    if name not in board_names():
        raise VolleyError(f"board {name!r} is unknown; known: {', '.join(board_names())}")
    return read_board(share("boards", name, "board.toml"))


def read_board(path: Path) -> Board:
    """The board of one board.toml, named after its folder. Raises VolleyError naming file and key."""
    try:
        data = tomllib.loads(read_bytes(path, "a board needs a board.toml").decode())
    except RecursionError:
        raise VolleyError(f"{path}: not valid TOML (nested too deep)") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as e:
        raise VolleyError(f"{path}: not valid TOML ({e})") from None
    budget = data.get("budget")
    if isinstance(budget, dict):
        data["budget"] = _checked(Budget, budget, f"{path}: [budget]")
    board: Board = _checked(Board, data, str(path), name=path.parent.name)
    for key, allowed in (("family", FAMILIES), ("flow", FLOWS)):
        if getattr(board, key) not in allowed:
            raise VolleyError(f"{path}: {key} = {getattr(board, key)!r} is unknown; use one of {', '.join(allowed)}")
    return board


_KINDS: dict[str, tuple[type, str]] = {
    "str": (str, "a string"),
    "int": (int, "an integer from 0 on"),
    "float": (float, "a number above 0"),
    "bool": (bool, "true or false"),
    "Budget": (Budget, "a table [budget]"),
}


def _checked(cls: type, data: dict[str, Any], where: str, **given: Any) -> Any:
    """`cls(**data, **given)` with every key and type checked against the dataclass."""
    known = {f.name: f for f in fields(cls) if f.name not in given}
    for key in data:
        if key not in known:
            raise VolleyError(f"{where}: unknown key {key!r}; known: {', '.join(known)}")
    values = dict(given)
    for key, f in known.items():
        if key not in data:
            if f.default is MISSING:
                raise VolleyError(f"{where}: key {key!r} is missing; it is {_KINDS[str(f.type)][1]}")
            continue
        kind, text = _KINDS[str(f.type)]
        value: Any = float(data[key]) if kind is float and type(data[key]) is int else data[key]
        in_range = not isinstance(value, (int, float)) or (0 < value < float("inf") if kind is float else value >= 0)
        if type(value) is not kind or not in_range:
            raise VolleyError(f"{where}: {key} = {data[key]!r} is not {text}")
        values[key] = value
    return cls(**values)
