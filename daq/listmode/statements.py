"""Statements of generated decoders: what is done with a word of each kind."""

from __future__ import annotations

from fractions import Fraction

from daq.listmode.branches import Branch, detectors_of
from daq.listmode.columns import decoded_columns
from daq.listmode.expressions import column_value, physical, raw
from daq.model.clock_rules import TIME_LIMIT_PS
from daq.model.events import MARKS
from daq.model.layout import BitField, Clock, Kind, Layout
from daq.model.layout_rules import CAUSES

PREFIX = {"singles": "s", "coincidences": "c", "marks": "m"}
"""What the names of a stream's column arguments begin with."""


class Statements:
    """Writes the branch of each kind; remembers which lookup table comes next."""

    def __init__(self, layout: Layout, clock: Clock) -> None:
        self._layout = layout
        self._tick = clock.tick
        self._kinds = len(layout.kinds)
        self._next_table = 0
        self._columns = decoded_columns(layout)

    def cause(self, name: str) -> str:
        """Return the local counter of a cause."""
        return f"k{self._kinds + CAUSES.index(name)}"

    def branch(self, branch: Branch) -> list[str]:
        """Return the statements for a word of the branch's kind."""
        if branch.kind.yields in ("prompt", "delayed"):
            return self._coincidence(branch)
        write = {"time": self._time_word, "mark": self._mark, "nothing": lambda _: [], "single": self._single}
        return [*write[branch.kind.yields](branch.kind), f"k{branch.index} += 1"]

    def _time_word(self, kind: Kind) -> list[str]:
        field = kind.field_to("time")
        if field is None:
            return []
        lines = [*self._unfold(field), *self._advance()]
        return [*lines, *self._mark_row(kind, raw(field))] if kind.stored else lines

    def _mark(self, kind: Kind) -> list[str]:
        lines: list[str] = []
        if kind.field_to("time") is not None:
            lines += self._event_time(kind)
        else:
            lines += ["t = now if timed else int64(0)"]
        if not kind.stored:
            return lines
        value = kind.field_to("value")
        return [*lines, *self._mark_row(kind, raw(value) if value else "int64(0)")]

    def _mark_row(self, kind: Kind, value: str) -> list[str]:
        value2 = kind.field_to("value2")
        return [
            "m_time_ps[nm] = t",
            f"m_kind[nm] = {MARKS.index(kind.mark or 'time')}",
            "m_source[nm] = source[p]",
            f"m_value[nm] = {value}",
            f"m_value2[nm] = {physical(value2) if value2 else 'NAN'}",
            "nm += uint64(1)",
        ]

    def _single(self, kind: Kind) -> list[str]:
        lines = [*self._event_time(kind), *self._detector_numbers(kind), "s_time_ps[ns] = t"]
        if kind.detector is not None:
            lines.append("s_detector[ns] = detector")
        lines += self._plain_columns(kind, "singles", "ns")
        return [*lines, "ns += uint64(1)"]

    def _coincidence(self, branch: Branch) -> list[str]:
        kind = branch.kind
        own = 0 if kind.yields == "prompt" else 1
        lines = [*self._event_time(kind), *self._detector_numbers(kind), "c_time_ps[nc] = t"]
        if branch.twin_index is None:
            lines += [f"c_kind[nc] = {own}", f"k{branch.index} += 1"]
        else:
            lines += [f"other = {branch.other}", f"c_kind[nc] = {'1 - ' if own else ''}other"]
            lines += [f"k{branch.index} += 1 - other", f"k{branch.twin_index} += other"]
        lines += self._plain_columns(kind, "coincidences", "nc")
        if kind.detector_a is not None and kind.detector_b is not None:
            lines += self._ordered_pair(kind)
        return [*lines, "nc += uint64(1)"]

    def _ordered_pair(self, kind: Kind) -> list[str]:
        """Store the lower detector number first; what belongs to a detector moves along, TOF turns its sign."""
        lines = ["if detector_a > detector_b:", "    detector_a, detector_b = detector_b, detector_a"]
        if kind.field_to("energy_a_kev") and kind.field_to("energy_b_kev"):
            lines.append("    c_energy_a_kev[nc], c_energy_b_kev[nc] = c_energy_b_kev[nc], c_energy_a_kev[nc]")
        if kind.field_to("tof_ps"):
            lines.append("    c_tof_ps[nc] = -c_tof_ps[nc]")
        return [*lines, "c_detector_a[nc] = detector_a", "c_detector_b[nc] = detector_b"]

    def _plain_columns(self, kind: Kind, stream: str, row: str) -> list[str]:
        """Fill every other column of the stream; a column that only another kind fills gets zero here."""
        lines = []
        for column in self._columns[stream]:  # type: ignore[index]
            if column in ("time_ps", "kind") or (column.startswith("detector") and getattr(kind, column) is not None):
                continue
            field = kind.field_to(column)  # type: ignore[arg-type]
            lines.append(f"{PREFIX[stream]}_{column}[{row}] = {column_value(field, column)}")
        return lines

    def _event_time(self, kind: Kind) -> list[str]:
        field = kind.field_to("time")
        if not self._layout.carries_time:
            if field is None:
                return ["t = int64(0)"]
            return [*self._unfold(field), *self._advance()]
        lines = ["if not timed:", f"    {self.cause('untimed')} += 1", "    continue"]
        if field is None:
            return [*lines, "t = now"]
        return [*lines, *self._ps_of(f"(ref + {raw(field)} * {field.ticks})"), *_LATEST]

    def _unfold(self, field: BitField) -> list[str]:
        """Advance `ref` (ticks) to the field's value by the nearest way round its wrap.

        The limit is on the time from zero, for a clock that ran for years before may count anything. Where a wrap is
        short it cannot be reached in a run, and is not looked at.
        """
        wrap = (field.wrap or 1 << field.width) * field.ticks
        half = wrap // 2
        if wrap & (wrap - 1) == 0:
            step = f"((v - ref + {half}) & {wrap - 1}) - {half}"
        else:
            step = f"((v - ref + {half}) % {wrap}) - {half}"
        lines = []
        if field.wrap and field.wrap < 1 << field.width:
            lines += [f"if {raw(field)} >= {field.wrap}:", f"    {self.cause('out_of_range')} += 1", "    continue"]
        lines += [f"v = {raw(field)} * {field.ticks}", f"stepped = ref + {step} if near else v"]
        limit = int(TIME_LIMIT_PS / max(self._tick, Fraction(1)))
        if wrap * max(self._tick, Fraction(1)) > 1 << 40:
            lines += [
                f"if zeroed and (stepped - origin > {limit} or stepped - origin < -{limit}):",
                f"    {self.cause('out_of_range')} += 1",
                "    continue",
            ]
        return [*lines, "ref = stepped", "known = int64(2)", "near = True"]

    def now(self) -> list[str]:
        """Return the statements that give `now`, the carried time in ps, at the start of a packet."""
        return [*self._ps_of("ref"), "now = t"]

    def _advance(self) -> list[str]:
        """Make the carried ticks the time of this word, and time zero where there was none."""
        zero = ["if not zeroed:", "    origin = ref", "    zeroed = int64(1)"]
        return [*zero, *self._ps_of("ref"), "now = t", "timed = True", *_LATEST]

    def _ps_of(self, ticks: str) -> list[str]:
        """Compute `t`, ps from time zero, rounding half to even."""
        num, den = self._tick.numerator, self._tick.denominator
        if den == 1:
            return [f"t = ({ticks} - origin) * {num}"]
        shift = den.bit_length() - 1
        if den == 1 << shift:
            whole, rest, carried = f"n >> {shift}", f"n & {den - 1}", f"part >> {shift}"
            remainder = f"part & {den - 1}"
        else:
            whole, rest, carried = f"n // {den}", f"n - (n // {den}) * {den}", f"part // {den}"
            remainder = f"part - (part // {den}) * {den}"
        # No jump for the rounding: it would be mispredicted every other time.
        tie = f" + int64(rest == {den // 2}) * (t & 1)" if den % 2 == 0 else ""
        return [
            f"n = {ticks} - origin",
            f"part = ({rest}) * {num}",
            f"t = ({whole}) * {num} + ({carried})",
            f"rest = {remainder}",
            f"t += int64(rest > {den // 2}){tie}",
        ]

    def _detector_numbers(self, kind: Kind) -> list[str]:
        lines, tests = [], []
        for name, number in detectors_of(kind).items():
            index = "int64(0)"
            for digit, radix in zip(number.digits, number.radix, strict=True):
                field = kind.fields[digit]
                lines.append(f"{name}_{digit} = {raw(field)}")
                if radix < 1 << field.width:
                    tests.append(f"{name}_{digit} >= {radix}")
                index = f"{name}_{digit}" if index == "int64(0)" else f"({index}) * {radix} + {name}_{digit}"
            lines.append(f"{name} = {index}")
        refuse = [f"    {self.cause('out_of_range')} += 1", "    continue"]
        if tests:
            lines += [f"if {' or '.join(tests)}:", *refuse]
        lines += self._looked_up(kind, refuse)
        if kind.detector_a is not None and kind.detector_b is not None:
            lines += ["if detector_a == detector_b:", *refuse]
        return lines

    def _looked_up(self, kind: Kind, refuse: list[str]) -> list[str]:
        lines = []
        for name, number in detectors_of(kind).items():
            if number.lookup is not None:
                lines += [f"{name} = table{self._next_table}[{name}]", f"if {name} < 0:", *refuse]
                self._next_table += 1
        return lines


_LATEST = ["if t > latest:", "    latest = t"]


def indent(lines: list[str]) -> list[str]:
    """Return the lines one level deeper."""
    return [f"    {line}" for line in lines]
