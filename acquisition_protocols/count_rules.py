"""What makes the counts of a step possible: their counter, window and head, and whether they can be reached."""

from __future__ import annotations

from collections.abc import Iterator

from daq.model.finding import Finding, Said, error, warning
from daq.model.protocol import ALL, ProtocolKind
from daq.model.protocol_file import Counts, ProtocolFile, StepFile
from daq.model.protocol_steps import kind_of, step_duration_ps

SINGLES_ONLY = ("singles", "events")
"""What a gamma camera or a probe can count."""
_PS_PER_S = 10**12
DAILY_FLOOD_COUNTS = 10_000_000
"""A daily flood has 10 to 20 million counts a head: with fewer, noise alone comes near the limit of uniformity."""


def counts(file: ProtocolFile, step: StepFile, key: str) -> Iterator[Finding]:
    """Demand counts that there can be, in windows that there are."""
    stop, least = step.stop.counts, step.minimum_counts
    if stop is not None:
        yield from _counted(file, stop, f"{key}.stop.counts")
        yield from _region(file, step, stop, f"{key}.stop.counts.region")
        yield from _flood(file, step, stop, f"{key}.stop.counts")
        yield from _of_views(file, step, stop, f"{key}.stop.counts.head")
    if least is not None:
        yield from _counted(file, least, f"{key}.minimum_counts")
        yield from _region(file, step, least, f"{key}.minimum_counts.region")
        yield from _reachable(step, least, f"{key}.minimum_counts")
        yield from _of_views(file, step, least, f"{key}.minimum_counts.head")


def _counted(file: ProtocolFile, said: Counts, key: str) -> Iterator[Finding]:
    if file.modality != "pet" and said.counter not in SINGLES_ONLY:
        reason = f"a {file.modality} has no coincidences; it counts {' or '.join(SINGLES_ONLY)}"
        yield error(f"{key}.counter", said.counter, reason)
    if said.window != ALL and said.window not in file.windows:
        known = ", ".join(["all", *file.windows])
        yield error(f"{key}.window", said.window, f"no such energy window; there are {known}")
    if said.head != "sum" and file.modality != "gamma_camera":
        yield error(f"{key}.head", said.head, f'a {file.modality} has no heads to tell apart: "sum"')
    if said.head == "both" and file.instrument.heads == 1:
        yield error(f"{key}.head", said.head, 'instrument.heads = 1: with one head it is "view" or "sum"')


def _of_views(file: ProtocolFile, step: StepFile, said: Counts, key: str) -> Iterator[Finding]:
    """Demand views whose counts a limit on `view` can be of; doubt a sum over views of two heads."""
    if said.head == "view" and step.view is None and not step.views:
        yield error(key, said.head, 'the step has neither view nor views: "either", "both" or "sum"')
    heads = max(len(step.views), file.instrument.heads or 1)
    if said.head == "sum" and said.window != ALL and heads > 1 and (step.view is not None or step.views):
        yield warning(key, said.head, shared(heads))


def shared(heads: int) -> str:
    """Return what is to be doubted where the counts of several views are one sum."""
    return f'{heads} heads record, and each view gets a part of these counts: "view" or "both" counts of a head'


def _region(file: ProtocolFile, step: StepFile, said: Counts, key: str) -> Iterator[Finding]:
    """Demand a part of a detector that stands still, with its lower corner first."""
    if said.region is None:
        return
    if file.modality != "gamma_camera":
        yield error(key, Said("given"), f"a {file.modality} has no picture that it could be a part of")
    elif step.sweep is not None:
        yield error(key, Said("given"), "the bed moves: what lies in this part of the detector changes")
    for side in said.region:
        if side.dimension != "length":
            yield error(key, Said(side.text), "a side of a region is a length, in mm or cm from the middle")
            return
    left, low, right, high = said.region
    for smaller, larger, which in ((left, right, "x"), (low, high, "y")):
        if smaller.value >= larger.value:
            yield error(key, Said(smaller.text), f"{which} from must be below {which} to = {larger}")


def _reachable(step: StepFile, least: Counts, key: str) -> Iterator[Finding]:
    """Demand a minimum that the stop condition and the expected rate let come about."""
    stop, limit = step.stop.counts, int(least.limit.value)
    same = stop is not None and _what(stop) == _what(least)
    if stop is not None and same and limit > int(stop.limit.value):
        yield error(f"{key}.limit", Said(least.limit.text), f"the step ends at {stop.limit}: never reached")
    duration_ps = step_duration_ps(step)
    if least.expected_rate is None or duration_ps is None:
        return
    expected = float(least.expected_rate.value) * duration_ps / _PS_PER_S
    if expected < limit:
        reason = f"at {least.expected_rate}, {duration_ps / _PS_PER_S:g} s give {expected:,.0f} counts"
        yield error(f"{key}.limit", Said(least.limit.text), reason)


def _what(said: Counts) -> tuple[object, ...]:
    return said.counter, said.window, said.head, said.region


def _flood(file: ProtocolFile, step: StepFile, stop: Counts, key: str) -> Iterator[Finding]:
    if kind_of(file, step) is not ProtocolKind.QC_FLOOD or file.modality != "gamma_camera":
        return
    heads = (file.instrument.heads or 1) if stop.head == "sum" else 1
    if int(stop.limit.value) < DAILY_FLOOD_COUNTS * heads:
        about = "" if heads == 1 else f", {DAILY_FLOOD_COUNTS * heads:,} for {heads} heads together"
        reason = f"a daily flood has 10 to 20 Mcounts a head{about}: with fewer, noise alone comes near the limit"
        yield warning(f"{key}.limit", Said(stop.limit.text), reason)
