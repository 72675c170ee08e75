"""Put values into DICOM data sets so that a value that cannot be written is refused by the attribute's name."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import datetime
from typing import NoReturn

from pydicom import DataElement, Dataset, config
from pydicom.datadict import dictionary_description, dictionary_VR, tag_for_keyword
from pydicom.sequence import Sequence
from pydicom.tag import Tag
from pydicom.valuerep import DSfloat

from daq.errors import RefusedError, UsageError
from daq.model.cleantext import clean_text
from daq.model.orientation import Code

MS_PS = 10**9
_MOST_IS = 2**31 - 1
_LIMITS = {"SH": 16, "LO": 64, "CS": 16}


def attribute(keyword: str) -> str:
    """Return an attribute for people: `Scan Velocity (0018,1300)`."""
    tag = tag_for_keyword(keyword)
    if tag is None:
        raise UsageError(f"{keyword}: DICOM's dictionary has no such attribute")
    return f"{dictionary_description(tag)} {Tag(tag)}"


def refuse(keyword: str, why: str) -> NoReturn:
    """Raise `RefusedError` for a conversion that fails at an attribute."""
    raise RefusedError(f"DICOM attribute {attribute(keyword)}: {why}")


def put(item: Dataset, keyword: str, value: object, *, private: bool = False) -> None:
    """Set an attribute; an empty one for None. `private`: its value is never shown.

    Raises `RefusedError` that names the attribute where the value cannot be written as its representation.
    """
    tag = tag_for_keyword(keyword)
    if tag is None:
        raise UsageError(f"{keyword}: DICOM's dictionary has no such attribute")
    vr = dictionary_VR(tag)
    if private and "\\" in str(value):  # would be taken for two values
        refuse(keyword, "holds a backslash, which DICOM keeps between values")
    try:
        element = DataElement(tag, vr, value, validation_mode=config.RAISE)
    except (ValueError, TypeError, OverflowError) as failure:
        why = "what was given cannot be written as its representation" if private else str(failure)
    else:
        item.add(element)
        return
    refuse(keyword, f"{why} ({vr})")


def put_text(item: Dataset, keyword: str, text: str) -> None:
    """Set a text of a recording, cut to what its representation takes, without what it forbids."""
    put(item, keyword, plain_text(text, _LIMITS.get(dictionary_VR(keyword), 10_240)))


def plain_text(text: str, most: int) -> str:
    """Return a text in one line, of at most so many bytes, without a backslash, which is between values.

    The standard counts characters; readers are known to count bytes.
    """
    line = clean_text(text, 2 * most).replace("\\", "/")
    return line.encode("utf-8", "replace")[:most].decode("utf-8", "ignore").strip()


def put_user(item: Dataset, keyword: str, user: str) -> None:
    """Set a person's name to that of a user, who has one part only."""
    put(item, keyword, plain_text(user, 64).replace("^", " ").replace("=", " ").strip())


def put_whole(item: Dataset, keyword: str, value: float) -> None:
    """Set an integer string to the nearest whole number; refuse one that has more than 32 bits."""
    if not math.isfinite(value) or abs(value) > _MOST_IS:
        refuse(keyword, f"{value:g}; must lie within {_MOST_IS:,} of zero")
    put(item, keyword, round(value))


def put_decimal(item: Dataset, keyword: str, *values: float) -> None:
    """Set a decimal string, or several, to 16 characters; refuse what is no finite number."""
    if not all(map(math.isfinite, values)):
        refuse(keyword, f"{', '.join(map(str, values))}; must be finite")
    written = [DSfloat(float(value), auto_format=True) for value in values]
    put(item, keyword, written[0] if len(written) == 1 else written)


def put_codes(item: Dataset, keyword: str, *codes: Code | None) -> Dataset | None:
    """Set a code sequence, without those that are None; return the last item."""
    items = [coded(code) for code in codes if code is not None]
    put(item, keyword, Sequence(items))
    return items[-1] if items else None


def put_items(item: Dataset, keyword: str, items: Iterable[Dataset] = ()) -> None:
    """Set a sequence."""
    put(item, keyword, Sequence(list(items)))


def coded(code: Code) -> Dataset:
    """Return an item of a code sequence."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code.value, code.scheme, code.meaning
    return item


def date_of(moment: datetime | None) -> str | None:
    """Return a date as DICOM writes it."""
    return None if moment is None else f"{moment:%Y%m%d}"


def time_of(moment: datetime | None) -> str | None:
    """Return a time of day as DICOM writes it."""
    return None if moment is None else f"{moment:%H%M%S.%f}"
