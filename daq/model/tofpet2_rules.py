"""Rules on a layout with the hand-written decoder of TOFPET2 frames, and what follows from such a layout."""

from __future__ import annotations

from collections.abc import Iterator

from daq.model import tofpet2 as t
from daq.model.finding import ABSENT, Finding, error
from daq.model.layout import Clock, DetectorNumber, Layout

DIGITS = ("port", "slave", "chip", "channel")
_MOST = (t.MOST_PORTS, t.MOST_SLAVES, t.MOST_CHIPS, t.CHANNELS_PER_CHIP)
_FIELDS = {
    "e_fine": "9:0", "t_fine": "19:10", "e_coarse": "29:20", "t_coarse": "39:30", "tac": "41:40",
    "channel": "47:42", "chip": "53:48", "slave": "58:54", "port": "63:59",
}  # fmt: skip


def tofpet2_layout(layout: Layout, clock: Clock) -> Iterator[Finding]:
    """Demand of a layout with the decoder `tofpet2` the words, the clock and the digits that the decoder knows."""
    if (layout.decoder == "tofpet2") != (layout.tofpet2 is not None):
        reason = 'goes with layout.decoder = "tofpet2", one does not do without the other'
        yield error("layout.tofpet2", ABSENT if layout.tofpet2 is None else "a table", reason)
    if layout.decoder != "tofpet2":
        return
    if (layout.word_bits, layout.byte_order) != (8 * t.WORD_BYTES, "little"):
        yield error("layout.word_bits", layout.word_bits, "TOFPET2 words have 64 bits, little-endian")
    if clock.tick != t.CLOCK_PS:
        yield error("clock.tick_ps", clock.tick_ps, f"a TOFPET2 clock is {t.CLOCK_PS} ps")
    if list(layout.kinds) != ["single"] or layout.kinds["single"].yields != "single":
        yield error("layout.kinds", list(layout.kinds), "TOFPET2 frames hold one kind of word, `single`")
        return
    fields = {name: field.bits for name, field in layout.kinds["single"].fields.items()}
    if fields != _FIELDS:
        yield error("layout.kinds.single.fields", fields, f"the decoder takes {_FIELDS}")
    targets = {str(name): str(field.to) for name, field in layout.kinds["single"].fields.items() if field.to}
    wanted = {"e_fine": "energy_adc"} if layout.tofpet2 and layout.tofpet2.energy == "qdc" else {}
    if targets != wanted:
        yield error("layout.kinds.single.fields", targets, f"the columns that fields fill by themselves are {wanted}")
    yield from _digits(layout.kinds["single"].detector)


def _digits(number: DetectorNumber | None) -> Iterator[Finding]:
    key = "layout.kinds.single.detector"
    if number is None:
        yield error(key, ABSENT, f"its digits are {', '.join(DIGITS)}")
        return
    if number.digits != DIGITS:
        yield error(f"{key}.digits", list(number.digits), f"must be {', '.join(DIGITS)}, in this order")
    for digit, radix, most in zip(number.digits, number.radix, _MOST, strict=False):
        if radix > most:
            yield error(f"{key}.radix", radix, f"{digit} goes to {most - 1}")


def channels_of(layout: Layout) -> dict[int, int]:
    """Return the detector number of each channel id that the layout names, ascending in channel ids."""
    number = layout.kinds["single"].detector
    if number is None:
        return {}
    found: dict[int, int] = {}
    ports, slaves, chips, channels = number.radix
    for place in range(ports * slaves * chips * channels):
        rest, channel = divmod(place, channels)
        rest, chip = divmod(rest, chips)
        port, slave = divmod(rest, slaves)
        detector = place if number.lookup is None else number.lookup[place]
        if detector >= 0:
            found[t.channel_id(port, slave, chip, channel)] = detector
    return found


def chips_of(layout: Layout) -> dict[int, int]:
    """Return, for each unit by its source number, the chips that the layout names as a mask of 64 bits."""
    masks: dict[int, int] = {}
    for channel in channels_of(layout):
        source, chip = divmod(channel // t.CHANNELS_PER_CHIP, t.MOST_CHIPS)
        masks[source] = masks.get(source, 0) | 1 << chip
    return masks
