"""Text that people or programs gave, made fit for one line of a log, a message or a table."""

from __future__ import annotations

import unicodedata

_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Control, format (which can turn the reading direction), surrogate, private, unassigned; line separators."""


def clean_text(text: str, most: int) -> str:
    """Return `text` as one line of at most `most` characters that says nothing to a terminal.

    White space becomes single spaces, other characters without a shape `?`; what was cut off is marked by `…`.
    """
    head = " ".join(text[: 4 * most].split())
    if head.isprintable():  # the usual case, without a look at each character
        line = head
    else:
        line = "".join("?" if unicodedata.category(character) in _INVISIBLE else character for character in head)
    return line if len(line) <= most and len(text) <= 4 * most else f"{line[: most - 1]}…"
