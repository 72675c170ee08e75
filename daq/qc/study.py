"""The verdict on a study: everything the protocol asks for, checked against what was recorded, in words.

What breaks a limit of the protocol is bad; what else a person should see before the patient leaves is doubtful; what
cannot be told, because it was not recorded, is not evaluable, and says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from daq.model.framed import Framed
from daq.model.protocol import AcquisitionProtocol
from daq.model.verdict import Check, Verdict
from daq.qc import studygiven, studymotion, studysteps
from daq.qc.studybeats import beats
from daq.qc.studyfacts import StudyFacts
from daq.qc.studysilence import silences
from daq.qc.studysteps import Planned, matched, of_series


def judged(series: Sequence[Framed], protocol: AcquisitionProtocol, facts: StudyFacts) -> Verdict:
    """Return the verdict on one recording. `series`: all that was framed of it; `facts`: `StudyFacts.of`.

    Of a protocol of several sessions the steps of the recorded session alone are asked for.
    """
    planned = matched(protocol, facts)
    checks = [
        *studysteps.whole(planned, facts),
        *studysteps.damaged(series, facts),
        *studymotion.lost(planned, facts),
        *studysteps.silent(planned, facts),
        *studysteps.went_back(planned, facts),
        *studysteps.paired(planned),
        *studymotion.places(planned, facts, protocol.tolerances),
        *studygiven.injected(protocol, planned, facts),
        *studysteps.handed_over(protocol, planned),
    ]
    for each in series:
        checks += _of_series(each, protocol, of_series(each, planned), facts)
    return Verdict(tuple(checks))


def _of_series(
    series: Framed, protocol: AcquisitionProtocol, planned: Sequence[Planned], facts: StudyFacts
) -> Iterator[Check]:
    limits = protocol.tolerances
    yield from studysteps.counts(series, planned)
    yield from studysteps.frames(series, planned)
    yield from studysteps.live(series, planned, facts, limits.live_percent)
    yield from studysteps.heads(series, planned, protocol.file.instrument.heads)
    yield from studysteps.faced(series)
    yield from silences(series, planned, facts)
    yield from studymotion.sweeps(series, planned, limits)
    yield from studymotion.rotation(series, planned, limits)
    yield from beats(series, planned, limits.rejected_beats_percent)
