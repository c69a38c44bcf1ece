# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Mutants of XML, of its structure: elements left out, doubled, moved, renamed; attributes of other values."""

from __future__ import annotations

import copy
from collections.abc import Callable
from xml.etree.ElementTree import Element, fromstring, tostring

from verif.fuzz.mutate import Rng, pick

VALUES = ("", "0", "-1", "1", "2", "3", "7", "1000", "199999", "999983", "1000000000", "9" * 15, "9" * 5000, "1.5",
          "1e9", "1,2", "1,0,3", "3*1,2", "999999999*1", "0,0", ",", "a", "Ж", "a\nb", "in", "out", "true")  # fmt: skip


def xml(rng: Rng, seed: bytes) -> bytes:
    """A copy with one to three places changed, now and then in a way that no library writes."""
    root = fromstring(seed)
    for _ in range(int(rng.integers(1, 4))):
        _change(rng, root)
    out = tostring(root, encoding="unicode")
    strange: tuple[Callable[[], str], ...] = (
        lambda: '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>' + out,
        lambda: '<!DOCTYPE x SYSTEM "file:///etc/passwd">' + out,
        lambda: "<a>" * 100_000,
        lambda: out.replace("<channel ", "<a/>" * 200_000 + "<channel ", 1),
        lambda: '<?xml version="1.0" encoding="utf-7"?>' + out,
        lambda: out + out,
        lambda: out.replace("=", '="1" x=', 1),
        lambda: out.replace(">", ">&x;", 1),
    )
    if rng.random() < 0.1:
        out = pick(rng, strange)()
    return out.encode("utf-8", "surrogatepass")


def _change(rng: Rng, root: Element) -> None:
    parents = [element for element in root.iter() if len(element)]
    if not parents:
        return
    parent, other = pick(rng, parents), pick(rng, list(root.iter()))
    at = int(rng.integers(len(parent)))
    child, named = parent[at], [element for element in root.iter() if element.attrib]
    match int(rng.integers(8)):
        case 0:
            parent.remove(child)
        case 1:
            parent.insert(at, copy.deepcopy(child))
        case 2:
            parent.insert(at, copy.deepcopy(other))
        case 3:
            child.tag = pick(rng, ("extra", "sdf", "csdf", "actor", other.tag))
        case 4:
            child.text = pick(rng, VALUES)
        case _ if named:
            element = pick(rng, named)
            key = pick(rng, list(element.attrib))
            if rng.random() < 0.1:
                del element.attrib[key]
            elif rng.random() < 0.1:
                element.set("extra", pick(rng, VALUES))
            else:
                element.set(key, pick(rng, VALUES))
