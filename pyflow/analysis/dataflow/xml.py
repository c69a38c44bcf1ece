# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""XML that a user hands in: of known size and depth, without document types, so without entities."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from pyflow.errors import VolleyError
from pyflow.reading import MAX_TEXT, read_bytes

MAX_DEPTH = 32
MAX_ELEMENTS = 100_000


def read_xml(path: str | Path, cure: str) -> Element:
    """The root of an XML file. Raises VolleyError of one line."""
    content = read_bytes(path, cure, MAX_TEXT)
    builder, depth, count = TreeBuilder(), 0, 0

    def begin(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth, count
        depth, count = depth + 1, count + 1
        if depth > MAX_DEPTH or count > MAX_ELEMENTS:
            raise ValueError(f"more than {MAX_DEPTH} levels or {MAX_ELEMENTS:,} elements")
        builder.start(name, attributes)

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(name)

    def refuse(*_: Any) -> None:
        raise ValueError("a document type, which may define entities; remove <!DOCTYPE ...>")

    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler = begin, end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = refuse
    try:
        parser.Parse(content, True)
        return builder.close()
    except (expat.ExpatError, ValueError, LookupError, AssertionError) as e:
        raise VolleyError(f"{path}: no readable XML ({e}); {cure}") from None
