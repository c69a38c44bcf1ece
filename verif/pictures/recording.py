# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""A command's run as a picture of a terminal, its lines in the rhythm in which they came."""

from __future__ import annotations

import html
import io
import re
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

# rich's own template takes a font from the net, which a picture in a page may not.
_SVG = """\
<svg class="recording" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, Menlo, Consolas, monospace; font-size: {char_height}px; }}
.{unique_id}-title {{ font-size: 18px; font-weight: bold; font-family: Helvetica, Arial, sans-serif; }}
{styles}
/* moments */
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""
_ID = "sim"
_THEME = TerminalTheme((255, 255, 255), (36, 41, 47), [(36, 41, 47)] * 8, [(87, 96, 106)] * 8)
_LINE = re.compile(rf"<text [^>]*clip-path=\"url\(#{_ID}-line-(\d+)\)\"[^>]*>([^<]*)</text>")


def record(command: Sequence[str], cwd: Path) -> list[tuple[float, str]]:
    """Lines that a command printed, with the seconds at which they came. Raises CalledProcessError."""
    began, lines = time.monotonic(), []
    with subprocess.Popen(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as running:
        assert running.stdout
        for line in running.stdout:
            lines.append((time.monotonic() - began, line.rstrip("\n")))
    if running.returncode:
        raise subprocess.CalledProcessError(running.returncode, command)
    return lines


def picture(typed: str, lines: Sequence[tuple[float, str]]) -> str:
    """SVG. typed: what the user wrote."""
    width = max(len(line) for _, line in lines)
    console = Console(record=True, file=io.StringIO(), width=width, force_terminal=True)
    console.print(Text(f"$ {typed}", style="bold"))
    for _, line in lines:
        console.print(Text(line), soft_wrap=True)
    svg = console.export_svg(title="Volley", theme=_THEME, code_format=_SVG, unique_id=_ID)
    moments = [
        f'[clip-path="url(#{_ID}-line-{n})"] {{ animation: {_ID}-show 0s {seconds:.1f}s both; }}'
        for n, (seconds, _) in enumerate(lines, 1)
    ]
    rules = "\n".join([f"@keyframes {_ID}-show {{ from {{ opacity: 0; }} to {{ opacity: 1; }} }}", *moments])
    moving = f"@media (prefers-reduced-motion: no-preference) {{\n{rules}\n}}"
    return "\n".join(line.rstrip() for line in svg.replace("/* moments */", moving).splitlines()) + "\n"


def lines_of(svg: str) -> list[str]:
    """What a recording says, line by line, spaces at the ends cut."""
    found: dict[int, str] = {}
    for number, text in _LINE.findall(svg):
        plain = html.unescape(text).replace("\N{NO-BREAK SPACE}", " ")
        found[int(number)] = found.get(int(number), "") + plain
    return [found.get(n, "").rstrip() for n in range(max(found) + 1)]
