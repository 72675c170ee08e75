"""Limits on counts that would never be reached: refused before anything is asked for data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from acquisition_protocols.fit_instrument import yields_of
from daq.errors import RefusedError
from daq.model.stop import BEATS, EVERY_WINDOW, window_counter

if TYPE_CHECKING:
    from daq.model.processing import Processing
    from daq.model.stop import StopCondition
    from device_profiles.schema import InstrumentProfile

_PAIRS_OF = {"prompts": {"prompt"}, "delayeds": {"delayed"}, "coincidences": {"prompt", "delayed"}}


def require_countable(
    profile: InstrumentProfile, stop: StopCondition, processing: Processing, *, store_rows: bool
) -> None:
    """Raise `RefusedError` for a limit on what nobody makes or sends: pairs, singles of a window, beats."""
    from daq.pipeline.timetablegate import TRIGGER_MARK

    marks = {kind.mark for kind in profile.layout.kinds.values()}
    if BEATS in stop.counts and stop.gate is not None and TRIGGER_MARK[stop.gate.trigger] not in marks:
        raise RefusedError(
            f"{BEATS}={stop.counts[BEATS]} would never be reached: profile {profile.id} sends no {stop.gate.trigger} "
            "triggers"
        )
    names = [window.name for window in processing.windows]
    for name in stop.counts:
        said = window_counter(name)
        if said is not None and said.window not in (EVERY_WINDOW, *names):
            known = ", ".join([EVERY_WINDOW, *names])
            raise RefusedError(f"{name}: there is no energy window {said.window!r}; there are {known}")
    for counter, sent in _PAIRS_OF.items():
        if counter not in stop.counts or sent & yields_of(profile):
            continue
        why = _never(profile, processing, counter, store_rows=store_rows)
        if why:
            raise RefusedError(f"{counter}={stop.counts[counter]} would never be reached: {why}")


def _never(profile: InstrumentProfile, processing: Processing, counter: str, *, store_rows: bool) -> str:
    """Return why pairs of such a name are never counted; nothing where they are."""
    rule = processing.pairing
    if rule is None:
        return f"profile {profile.id} sends no {counter}, and without a half window none are made of its singles"
    if counter == "delayeds" and rule.delay_ps is None:
        return "without a delay there is no delayed window"
    if not store_rows:
        return "where raw alone is recorded pairs are made later, by a replay"
    return ""
