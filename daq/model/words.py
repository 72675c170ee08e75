"""What people write into fields: reasons, remarks, names. One rule for all of them, whoever takes them.

Everybody must read the same as whoever wrote it, and something must be there to be read: no character without a shape,
none that turns what stands beside it, no control character. Letters of any script pass, with their combining marks, and
so do the joiners that Persian and the scripts of India need between two letters.
"""

from __future__ import annotations

import re
import unicodedata

_TURNING = re.compile("[\u202a-\u202e\u2066-\u2069\u200e\u200f\u061c]")
"""Characters that turn the direction of what stands beside them: a number would read as another one."""
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_FILLERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
"""Letters and marks by their class that have no shape."""
_JOINERS = frozenset("\u200c\u200d")
_SHAPED = frozenset("\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u08e2")
"""Format characters that can be seen: they stand around numbers in Arabic and Syriac."""
_SPACES_OF_NAMES = frozenset(" \u3000")
"""The plain space, and the wide one that Japanese puts between family and given name."""
_SELECTORS = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]")


def unreadable(text: str, *, lines: bool = False) -> str | None:
    """Return why a text cannot be shown so that everybody reads the same, None where it can.

    `lines`: it may have several, and tabs. Nothing of the text is in the answer but the number of one character.
    """
    if _TURNING.search(text) is not None:
        return "holds a character that turns the direction of writing"
    plain = re.sub("[\n\r\t]", " ", text) if lines else text
    if _CONTROL.search(plain) is not None:
        return "holds a control character"
    found = next((place for place, one in enumerate(text) if _hidden(text, place, one)), None)
    if found is not None:
        return f"holds a character that cannot be seen (U+{ord(text[found]):04X}); type it anew instead of pasting it"
    return None


def unreadable_name(text: str) -> str | None:
    """Return why a text cannot be part of who somebody is, None where it can: as `unreadable`, and of plain spaces."""
    if (why := unreadable(text)) is not None:
        return why
    for one in text:
        if unicodedata.category(one) == "Zs" and one not in _SPACES_OF_NAMES:
            return f"holds a space that is not the plain one (U+{ord(one):04X}): two spellings of one name would differ"
    return None


def says_nothing(text: str) -> bool:
    """Return True for a text of which nothing can be seen."""
    return not any(unicodedata.category(one)[0] in "LNPS" and one not in _FILLERS for one in text)


def said(text: str) -> str:
    """Return what somebody wrote. Raise `ValueError`, a sentence, where it cannot be read or nothing can be seen."""
    if (why := unreadable(text, lines=True)) is not None:
        raise ValueError(why)
    if text and says_nothing(text):
        raise ValueError("nothing of it can be seen: write what is meant")
    return text


def _hidden(text: str, place: int, one: str) -> bool:
    if one.isascii():
        return False
    if one in _FILLERS:
        return True
    if one in _JOINERS:
        return not (_joins(text[place - 1 : place]) and _joins(text[place + 1 : place + 2]))
    if _SELECTORS.match(one):  # it chooses a shape of what stands before it
        return place == 0 or unicodedata.category(text[place - 1])[0] not in "LNSP"
    return unicodedata.category(one) == "Cf" and one not in _SHAPED


def _joins(one: str) -> bool:
    """Return True for a letter or mark of a script that has joiners, and for what pictures are put together of."""
    if not one:
        return False
    of_script = "\u0600" <= one <= "\u109f" or "\u1780" <= one <= "\u18af" or "\ufb50" <= one <= "\ufefc"
    return (of_script and unicodedata.category(one)[0] in "LM") or one == "\ufe0f" or unicodedata.category(one) == "So"
