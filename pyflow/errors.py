# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""The one exception that the command line turns into a single line and exit status 2."""


class VolleyError(ValueError):
    """A mistake in a model, a file or an option that the user can mend.

    The message is one line: what (layer, file, parameter), its value, the limit, what would work.
    """


def one_line(e: object) -> str:
    """Text of a message on one line, whatever names are in it: no line breaks, no codes that a terminal obeys, and not
    endless."""
    text = "".join(c if c.isprintable() else " " for c in " ".join(str(e).split()))
    return text if len(text) <= 1000 else f"{text[:700]} ... {text[-250:]}"
