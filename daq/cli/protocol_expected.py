"""What `daq protocol show --activity` prints: the counts that an activity gives, and what they stand on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from daq.cli.output import grouped, print_line, print_table
from daq.errors import MissingError, RefusedError, UsageError
from daq.model.activity import ACTIVITY, slip
from daq.model.protocol import ProtocolKind
from daq.model.protocol_activity import (
    ALL_PER_WINDOW,
    VISIBLE,
    Given,
    StepCounts,
    sight,
    spoken,
    with_rates,
)
from daq.model.quantity import Quantity, Wanted, parse_quantity

if TYPE_CHECKING:
    import argparse

    from daq.model.protocol import AcquisitionProtocol
    from daq.model.scanner import ScannerProfile
    from device_profiles.schema import InstrumentProfile

_AFTER = Wanted(("time",), "3 h", "not negative", whole=True)
_SHARE = Wanted(("dimensionless",), "5 %", only=("%",))

_SEEN = {
    True: "source, which lies before it with nothing between",
    False: "activity: what the body keeps, what is in its field of view, what is not absorbed",
}


@dataclass(frozen=True, slots=True)
class Expected:
    """The protocol with its expected rates, what each step counts, and what all of it stands on."""

    protocol: AcquisitionProtocol
    counts: tuple[StepCounts, ...]
    about: str
    assumes: tuple[str, ...]


def expected_of(
    args: argparse.Namespace, protocol: AcquisitionProtocol, scanner: ScannerProfile | None,
    instrument: InstrumentProfile | None,
) -> Expected | None:  # fmt: skip
    """Return what the options foretell; None without `--activity`.

    Raises `UsageError` for options without it, `RefusedError` for an activity, a time or a share that makes no sense,
    `MissingError` without a scanner.
    """
    if args.activity is None:
        if any(option is not None for option in (args.after, args.visible, args.collimator)):
            raise UsageError("--after, --visible and --collimator belong to --activity")
        return None
    if scanner is None:
        raise MissingError("--activity needs --scanner, or a site that names one: what is counted is its collimator's")
    thickness_mm = None if instrument is None else instrument.detector.crystal_thickness_mm
    seen = sight(protocol, scanner, thickness_mm, args.collimator)
    source = seen.nuclide
    mbq = float(_quantity("--activity", args.activity, ACTIVITY).value)
    wrong = slip(source.name, mbq)
    if wrong is not None:
        raise RefusedError(f"--activity {args.activity}: {wrong}")
    after_s = _after_s(args.after, protocol)
    of_source = protocol.kind is ProtocolKind.QC_FLOOD
    usual = 1.0 if of_source else VISIBLE
    visible = usual if args.visible is None else float(_quantity("--visible", args.visible, _SHARE).to("%")) / 100
    if visible > 1:
        raise RefusedError(f"--visible {args.visible}: a head sees at most 100 %")
    times = protocol.file.time_lapse or 1
    made, counts = with_rates(protocol, Given(source, 1e6 * mbq * times, after_s, visible), seen)
    assumes = (
        f"a head sees {100 * visible:g} % of the {_SEEN[of_source]}; an assumption, --visible says otherwise",
        *seen.assumes,
        f"for one event in a window {ALL_PER_WINDOW:g} of all energies are recorded, a judgement; scatter in the "
        f"windows is left out, decay of {source.name} is not",
        *([f"time-lapse: {times} times the activity"] if times > 1 else []),
    )
    since = "its assay" if of_source else "the injection"
    when = f"{spoken(after_s)} after" if after_s else "at"
    return Expected(made, counts, f"{mbq:g} MBq of {source.name}, {when} {since}", assumes)


def _after_s(said: str | None, protocol: AcquisitionProtocol) -> float:
    """Return when the first step begins: as said, else at the earliest that it may, else at the injection."""
    if said is not None:
        return _quantity("--after", said, _AFTER).seconds
    window_s = protocol.steps[0].after_injection_s
    return 0.0 if window_s is None else window_s[0]


def _quantity(option: str, said: str, wanted: Wanted) -> Quantity:
    try:
        return parse_quantity(said.strip(), wanted)
    except RefusedError as why:
        raise RefusedError(f"{option} {said}: {why}") from None


def print_expected(told: Expected) -> None:
    """Print what is expected, steps of a repetition together."""
    columns = ["step", "begins after", "takes", "counts of a head", "look at"]
    print_table(f"Expected of {told.about}", columns, [_row(group) for group in _groups(told.counts)])
    for sentence in told.assumes:
        print_line(f"    {sentence}")


def expected_json(told: Expected | None) -> dict[str, Any] | None:
    """Return it as plain data."""
    if told is None:
        return None
    return {
        "about": told.about,
        "assumes": list(told.assumes),
        "steps": [
            {"name": each.name, "begins_after_injection_s": each.begins_s, "duration_s": each.takes_s,
             "counts_per_head": each.per_head, "doubts": list(each.doubts)}
            for each in told.counts
        ],
    }  # fmt: skip


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
