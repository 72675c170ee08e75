"""The figures of a protocol at a station: how long, how many events and bytes; the counts that an activity gives."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from daq.errors import MissingError, RefusedError, UsageError
from daq.model.activity import ACTIVITY, slip
from daq.model.protocol import AcquisitionProtocol, ProtocolKind
from daq.model.protocol_activity import ALL_PER_WINDOW, VISIBLE, Given, StepCounts, sight, spoken, with_rates
from daq.model.protocol_estimate import Estimate, estimate
from daq.model.quantity import Quantity, Wanted, parse_quantity

if TYPE_CHECKING:
    from daq.model.scanner import ScannerProfile
    from device_profiles.schema import InstrumentProfile

_MANY_WORDS = 1e6
_AFTER = Wanted(("time",), "3 h", "not negative", whole=True)
_SHARE = Wanted(("dimensionless",), "5 %", only=("%",))

_SEEN = {
    True: "source, which lies before it with nothing between",
    False: "activity: what the body keeps, what is in its field of view, what is not absorbed",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked: an activity, a time after the injection, a share that a head sees, a collimator; as texts."""

    activity: str | None = None
    after: str | None = None
    visible: str | None = None
    collimator: str | None = None


@dataclass(frozen=True, slots=True)
class Expected:
    """The protocol with its expected rates, what each step counts, and what all of it stands on."""

    protocol: AcquisitionProtocol
    counts: tuple[StepCounts, ...]
    about: str
    assumes: tuple[str, ...]


def expected_of(
    args: Asked, protocol: AcquisitionProtocol, scanner: ScannerProfile | None,
    instrument: InstrumentProfile | None,
) -> Expected | None:  # fmt: skip
    """Return what is foretold; None without an activity.

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


def estimated(
    protocol: AcquisitionProtocol, scanner: ScannerProfile | None, instrument: InstrumentProfile | None,
    told: Expected | None = None,
) -> Estimate:  # fmt: skip
    """Return the estimate; bytes where an instrument is known: raw words and rows are both stored."""
    about = () if told is None else (f"of {told.about}",)
    protocol = protocol if told is None else told.protocol
    if instrument is None:
        return estimate(protocol, scanner=scanner, told=about)
    from daq.listmode.columns import stored_columns
    from daq.storage.space import estimate_bytes
    from daq.storage.streams import stream_schemas

    store, decoded = protocol.store, stored_columns(instrument.layout)
    stored = store.singles != "none" if "singles" in decoded else store.pairs
    schemas = stream_schemas(decoded, store_raw=False, store_rows=stored, late=True)
    row = estimate_bytes(_MANY_WORDS, word_bytes=0, schemas=schemas) / _MANY_WORDS
    word = instrument.layout.event_bytes if store.raw else 0
    figures = estimate(protocol, word_bytes=word, row_bytes=round(row) if stored else 0, scanner=scanner, told=about)
    if "singles" in decoded and protocol.coincidence is not None and store.pairs:
        left_out = "rows of pairs left out: how many come depends on the activity; an expected rate is taken as singles"
        return replace(figures, bytes=replace(figures.bytes, assumes=(*figures.bytes.assumes, left_out)))
    return figures


def estimate_json(figures: Estimate) -> dict[str, Any]:
    """Return an estimate as plain data."""
    return {
        "duration_s": figures.duration_s.value, "duration_assumes": list(figures.duration_s.assumes),
        "counts": figures.counts.value, "counts_assume": list(figures.counts.assumes),
        "bytes": figures.bytes.value, "bytes_assume": list(figures.bytes.assumes),
    }  # fmt: skip
