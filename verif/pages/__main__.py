# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Writes docs/cores, the file list and FuseSoC description beside each core, and docs/framework_layers.md:
`python -m verif.pages [core ...]`.

Area and waveform of a core are made anew only when its code or its row of sizes.py has changed. --check
writes nothing and fails if a file would change.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tqdm import tqdm

from pyflow.errors import VolleyError
from verif.harness import REPO
from verif.lint.lint import WAIVERS
from verif.pages import frameworks
from verif.pages.lists import lists, shared, technologies, waivers
from verif.pages.measure import key, measure
from verif.pages.page import FOLDER, index, page, path_of, picture_digest, stored
from verif.pages.sv import Core, cores


def fresh(core: Core) -> bool:
    """Whether the stored area and waveform are those of the present code."""
    found = stored(core)
    return found is not None and (found.key, found.picture) == (key(core), picture_digest(core))


def expected(chosen: list[Core]) -> dict[Path, str]:
    """Path -> text of all that is written for `chosen`; stored measurements are taken as they are."""
    texts = {FOLDER / "README.md": index(cores().values()), WAIVERS.with_suffix(".core"): waivers()}
    texts |= technologies() | shared() | frameworks.page()
    for core in chosen:
        found = stored(core)
        texts |= lists(core) | ({path_of(core): page(core, found)} if found else {})
    return texts


def remeasure(chosen: list[Core]) -> int:
    """Measure what is not fresh and write its page; number of the cores for which that failed."""
    FOLDER.joinpath("img").mkdir(parents=True, exist_ok=True)
    failed = 0
    for core in tqdm([core for core in chosen if not fresh(core)], desc="area and waveform", disable=None):
        try:
            path_of(core).write_text(page(core, measure(core)), encoding="utf-8")
        except (ValueError, VolleyError) as error:
            failed += 1
            print(f"{core.name}: {error}", file=sys.stderr)
    return failed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit status 1 if something is not fresh")
    parser.add_argument("cores", nargs="*", help="default: every module of rtl/rtl.f")
    options = parser.parse_args()
    chosen = [cores()[name] for name in options.cores] or list(cores().values())
    failed = 0 if options.check else remeasure(chosen)
    texts = expected(chosen)
    old = [path for path, text in texts.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    if options.check:
        names = [*(core.name for core in chosen if not fresh(core)), *(str(path.relative_to(REPO)) for path in old)]
        print("\n".join(f"{name}: not fresh, `make docs`" for name in names), file=sys.stderr)
        return int(bool(names))
    for path in old:
        path.write_text(texts[path], encoding="utf-8")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
