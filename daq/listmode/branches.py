"""Which branches a generated decoder has: one per kind of word, or one for two kinds that are nearly the same."""

from __future__ import annotations

from dataclasses import dataclass

from daq.model.layout import DetectorNumber, Kind


@dataclass(frozen=True, slots=True)
class Branch:
    """A kind, or a prompt and a delayed kind that differ in nothing but one tag bit, decoded without a jump.

    Which of the two it is follows no pattern, so a jump would be mispredicted; measured 1.4 times faster.
    """

    kind: Kind
    index: int
    twin_index: int | None = None
    bit: int = 0

    @property
    def test(self) -> str:
        """Return the condition on the word."""
        mask = self.kind.tag_mask & ~self.bit
        return f"(w & uint64({mask:#x})) == uint64({self.kind.tag_value & mask:#x})" if mask else "True"

    @property
    def other(self) -> str:
        """Return 1 for the twin and 0 for the kind itself, from the word."""
        low = self.bit.bit_length() - 1
        wanted = 1 if self.kind.tag_value & self.bit else 0
        bit = f"int64((w >> uint64({low})) & uint64(1))"
        return f"1 - {bit}" if wanted else bit


def branches_of(kinds: list[Kind]) -> list[Branch]:
    """Return the branches in the order of the kinds; twins that follow each other share one."""
    branches: list[Branch] = []
    for index, kind in enumerate(kinds):
        last = branches[-1] if branches else None
        if last is not None and last.twin_index is None and _twins(last.kind, kind):
            bit = last.kind.tag_value ^ kind.tag_value
            branches[-1] = Branch(last.kind, last.index, index, bit)
        else:
            branches.append(Branch(kind, index))
    return branches


def _twins(kind: Kind, other: Kind) -> bool:
    """Return True for prompt and delayed (either order) with equal fields and detectors and one tag bit apart."""
    if {kind.yields, other.yields} != {"prompt", "delayed"} or kind.tag_mask != other.tag_mask:
        return False
    same = kind.fields == other.fields and detectors_of(kind) == detectors_of(other)
    looked_up = any(number.lookup is not None for number in detectors_of(kind).values())
    return same and not looked_up and (kind.tag_value ^ other.tag_value).bit_count() == 1


def detectors_of(kind: Kind) -> dict[str, DetectorNumber]:
    """Return the detector numbers that a kind's words hold, by column."""
    named = {"detector": kind.detector, "detector_a": kind.detector_a, "detector_b": kind.detector_b}
    return {name: number for name, number in named.items() if number is not None}
