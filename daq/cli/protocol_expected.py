"""What `daq protocol show --activity` prints: the counts that an activity gives, and what they stand on."""

from __future__ import annotations

from daq.cli.output import grouped, print_line, print_table
from daq.composition.protocolfigures import Expected
from daq.model.protocol_activity import StepCounts, spoken


def print_expected(told: Expected) -> None:
    """Print what is expected, steps of a repetition together."""
    columns = ["step", "begins after", "takes", "counts of a head", "look at"]
    print_table(f"Expected of {told.about}", columns, [_row(group) for group in _groups(told.counts)])
    for sentence in told.assumes:
        print_line(f"    {sentence}")


def _groups(counts: tuple[StepCounts, ...]) -> list[list[StepCounts]]:
    groups: dict[str, list[StepCounts]] = {}
    for each in counts:
        groups.setdefault(each.key, []).append(each)
    return list(groups.values())


def _row(group: list[StepCounts]) -> list[str]:
    first = group[0]
    name = first.name if len(group) == 1 else f"{first.name.rpartition(' ')[0]}, {len(group)} times"
    takes = [each.takes_s for each in group]
    lasts = "unknown" if None in takes else spoken(round(sum(each for each in takes if each is not None), 1))
    heads = [each.per_head for each in group]
    counted = "unknown" if None in heads else grouped(sum(each for each in heads if each is not None))
    doubts = list(dict.fromkeys(doubt for each in group for doubt in each.doubts))
    return [name, spoken(first.begins_s), lasts, counted, "; ".join(doubts)]
