# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Dataflow graphs of the literature, typed in as what they are: actors, times, rates.

The applications are those that Stuijk et al. distribute with SDF3; the example of two buffers is that of their paper of
2006. Times are those of each graph's first processor. `period` is what has been published or computed by other tools;
None where nothing was at hand to compare with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction

from pyflow.analysis.dataflow import Actor, Channel, Graph, synchronous

Row = tuple[str | int, ...]


@dataclass(frozen=True)
class Published:
    """firings: of an iteration. source: of the period."""

    graph: Graph
    firings: int
    period: Fraction | int | None
    source: str


def chain(text: str) -> list[Row]:
    """ "a 1 2 b 3 4 c": channels from a to b, which produce 1 and consume 2, and so on."""
    words = text.split()
    return [(words[n], int(words[n + 1]), int(words[n + 2]), words[n + 3]) for n in range(0, len(words) - 1, 3)]


def ones(text: str) -> list[Row]:
    """ "a-b c-d": channels of rate 1."""
    return [(pair.split("-")[0], 1, 1, pair.split("-")[1]) for pair in text.split()]


def times(names: Iterable[str], time: int = 1) -> dict[str, int]:
    return dict.fromkeys(names, time)


def h263decoder(blocks: int = 594, alone: Iterable[str] = ("vld", "iq", "mc")) -> Graph:
    return synchronous(
        "h263decoder" + ("" if blocks == 594 else f" of {blocks:,} blocks"),
        {"vld": 26018, "iq": 559, "idct": 486, "mc": 10958},
        chain(f"vld {blocks} 1 iq 1 1 idct 1 {blocks} mc"), alone,
    )  # fmt: skip


def h263encoder() -> Graph:
    me, mbc, vlc, mbd, mc = ["me", "mbc", "vlc", "mbd", "mc"]
    return synchronous(
        "h263encoder", {me: 382419, mbc: 8409, vlc: 26018, mbd: 6264, mc: 11356},
        [(mc, 1, 1, me, 1), *chain("me 99 1 mbc 1 99 vlc"), *chain("mbc 1 1 mbd 1 99 mc")], (vlc, mc),
    )  # fmt: skip


def samplerate() -> Graph:
    return synchronous(
        "samplerate", dict(zip("abcdef", (5, 2, 3, 1, 4, 6), strict=True)), chain("a 1 1 b 2 3 c 2 7 d 8 7 e 5 1 f"),
        "abcdef",
    )  # fmt: skip


def mp3playback() -> Graph:
    actors = {"mp3": 7510, "src": 10000, "app": 22, "dac": 22}
    return synchronous("mp3playback", actors, [*chain("mp3 1152 480 src 441 1 app 1 1 dac"), ("dac", 1, 1, "app", 2)],
                       actors)  # fmt: skip


def mp3decoder() -> Graph:
    """By granules: a left and a right channel, joined by stereo."""
    of_side = {"req": 139325, "reorder": 69385, "alias": 13088, "imdct": 711744, "freqinv": 157184, "synth": 1866138}
    actors = {"huffman": 236070, "stereo": 73618} | {f"{name}{n}": t for n in (0, 1) for name, t in of_side.items()}
    rows: list[Row] = []
    for n in (0, 1):
        rows += [("huffman", 2, 1, f"req{n}")]
        rows += ones(f"req{n}-reorder{n} reorder{n}-stereo stereo-alias{n} alias{n}-imdct{n} imdct{n}-freqinv{n}")
        rows += ones(f"freqinv{n}-synth{n} req{n}-stereo stereo-imdct{n}")
    return synchronous("mp3decoder", actors, rows, ("huffman", "req0", "req1"))


def modem() -> Graph:
    names = [
        "fork1",
        "biq",
        "bi",
        "add",
        "ac",
        "fork2",
        "conj",
        "mul1",
        "in",
        "filt",
        "hil",
        "eq",
        "mul2",
        "deci",
        "deco",
        "out",
    ]
    rows = ones("fork1-biq fork1-bi biq-add bi-add add-ac in-filt deco-out")
    rows += chain("ac 2 1 fork2 1 2 conj 2 2 mul2") + chain("fork2 1 2 mul1 2 2 deci 2 2 mul2")
    rows += [("mul2", 2, 2, "eq", 2), *chain("filt 1 8 hil 2 4 eq 2 2 mul1"), ("deci", 2, 2, "deco")]
    return synchronous("modem", times(names), [*rows, ("deci", 1, 1, "fork1", 1)], names)


def satellite() -> Graph:
    names = "abcdefghijklmnpqrstuvw"
    rows = chain("a 1 4 b 1 11 c 1 1 g 1 1 h 11 11 i 10 1 j 1 1 t") + chain(
        "d 1 4 e 1 11 f 1 1 k 1 1 l 11 11 m 10 1 n 1 1 s"
    )
    rows += [("c", 10, 1, "p"), ("f", 10, 1, "p"), *ones("n-p j-p s-u t-u")]
    for filtered in ("p 1 240 q 240 1 w", "p 1 240 r 240 1 w", "u 1 240 v 240 1 w"):
        rows += chain(filtered)
    return synchronous("satellite", times(names), rows, names)


def two_buffers() -> Graph:
    return synchronous("example of 2006", {"a": 1, "b": 2, "c": 2}, chain("a 2 3 b 1 2 c"), "abc")


def phases() -> Graph:
    """The cyclo-static example of SDF3."""
    return Graph(
        "cyclo-static", (Actor("a", (1, 3)), Actor("b", (2, 2)), Actor("c", (2, 3))),
        (Channel("alpha", "a", "b", (3, 1), (4, 2)), Channel("beta", "b", "c", (2, 4), (6, 6))),
    )  # fmt: skip


KITER, OURS = "Kiter, SDF3's file", "an earlier program of ours on SDF3's file"
PUBLISHED: dict[str, Callable[[], Published]] = {
    "modem": lambda: Published(modem(), 48, 16, KITER),
    "samplerate": lambda: Published(samplerate(), 612, 960, KITER),
    "h263decoder": lambda: Published(h263decoder(), 1190, 332_046, OURS),
    "h263decoder 2,376": lambda: Published(h263decoder(2376), 4754, 2376 * 559, "2,376 firings of iq, one at a time"),
    "h263encoder": lambda: Published(h263encoder(), 201, None, ""),
    "mp3decoder": lambda: Published(mp3decoder(), 27, 278_650, OURS),
    "mp3playback": lambda: Published(mp3playback(), 10_601, 120_000, OURS),
    "satellite": lambda: Published(satellite(), 4515, None, ""),
    "cyclo-static": lambda: Published(phases(), 12, None, ""),
    "example of 2006": lambda: Published(two_buffers(), 6, 4, "Stuijk et al. 2006"),
}
