"""What a readout's status says about a run: how far it is, what a person should know, whether it has ended."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from daq.model.protocol import AcquisitionProtocol
from daq.model.station import Progress
from daq.services.acquisition.framewait import FrameWait, waited_for
from daq.services.alarms import Alarms
from daq.services.bus import Bus

GOOD_ENDS = frozenset({"sealed", "hashed"})
ENDS = GOOD_ENDS | {"failed", "gone", "released"}
DEVICE = "acquisition"
"""What alarms of a run are filed under."""
_FAMILIES = ("singles", "prompts", "delayeds")
_PS = 1e12
_EVERY_S = 0.5
_UNANSWERED_S = 5.0
_SILENT_S = 3.0
"""A front end may take a moment to begin when it is asked to."""


class Speaker:
    """Says how a run is: progress twice a second, and alarms as long as their causes last."""

    def __init__(self, bus: Bus, alarms: Alarms, run: str, protocol: AcquisitionProtocol) -> None:
        self._bus, self._alarms = bus, alarms
        self._pace, self._protocol = Pace(run, protocol), protocol
        self._frames = FrameWait()
        self._said_s = 0.0
        self._raised: set[str] = set()

    def say(self, status: dict[str, Any], *, step: int) -> None:
        """Announce what is new in a status of the readout."""
        now_s = time.monotonic()
        if now_s - self._said_s < _EVERY_S:
            return
        self._said_s = now_s
        self._bus.announce(self._pace.progress(status, now_s=now_s, step=step))
        late = self._frames.trouble(self._protocol.steps[step - 1], step, status, now_s) if step else None
        told = [*troubles(status), *([] if late is None else [late])]
        found = {name: (text, guidance) for name, text, guidance in told}
        for name, (text, guidance) in found.items():
            lasting = name == "words-missing"
            self._alarms.raise_(DEVICE, name, priority="medium", text=text, guidance=guidance, latched=lasting)
        self._clear(self._raised - set(found))
        self._raised = set(found)

    def close(self) -> None:
        """End what was only true as long as the run lasted."""
        self._clear(self._raised)

    def _clear(self, names: set[str]) -> None:
        for name in names:
            self._alarms.clear(DEVICE, name)


class Pace:
    """Turns statuses into `Progress`: rates between two of them, the time left at that rate."""

    def __init__(self, run: str, protocol: AcquisitionProtocol) -> None:
        self._run, self._protocol = run, protocol
        self._before: tuple[float, dict[str, int]] | None = None
        self._step, self._step_since_ps = 0, 0
        self._paused_ps, self._last_ps = 0, 0
        self._rates_cps: dict[str, float] = {}

    def progress(self, status: dict[str, Any], *, now_s: float, step: int) -> Progress:
        """Return how far the run is at `now_s` of a monotonic clock; counts and fraction are those of the step."""
        counts = {name: int(count) for name, count in status.get("counts_live", {}).items()}
        duration_ps = int(status.get("duration_ps", 0))
        if step != self._step:
            self._step, self._before, self._paused_ps = step, None, int(_of_step(status, step).get("paused_ps") or 0)
            self._step_since_ps = _begin_ps(status, step, duration_ps)
        elif status.get("paused"):
            self._paused_ps += max(duration_ps - self._last_ps, 0)  # the time of a pause is not the step's
        self._last_ps = duration_ps
        ended = _of_step(status, step)
        if ended.get("end_ps") is not None:  # what comes between two steps is of neither
            duration_ps, self._paused_ps = int(ended["end_ps"]), int(ended.get("paused_ps") or 0)
        self._wait_for_frames(status, step, duration_ps)
        elapsed_s = (duration_ps - self._step_since_ps - self._paused_ps) / _PS
        self._measure(counts, now_s, elapsed_s)
        rates = {name: round(self._rates_cps[name], 1) for name in _FAMILIES if self._rates_cps.get(name)}
        fraction = self._protocol.steps[step - 1].fraction_done(counts, elapsed_s) if step else None
        return Progress(
            run=self._run,
            elapsed_s=round(self._last_ps / _PS, 3),
            step_s=round(max(elapsed_s, 0.0), 3),
            step=step,
            steps=len(self._protocol.steps),
            counts=counts,
            recorded_events=int(status.get("counts_recorded", {}).get("events", 0)),
            rate_cps=round(self._rates_cps.get("events", 0.0), 1),
            rates_cps=rates,
            randoms_fraction=_randoms_fraction(rates),
            missing_words=int(status.get("words_missing", 0)),
            dropped=int(status.get("kernel_drops", 0) or 0),
            file_bytes=int(status.get("file_bytes", 0)),
            fraction=fraction,
            remaining_s=_remaining_s(fraction, elapsed_s),
            **(waited_for(self._protocol.steps[step - 1], status) if step else {}),
        )

    def _wait_for_frames(self, status: dict[str, Any], step: int, now_ps: int) -> None:
        """Let the time of the step begin where its frames do: not while they wait for a bolus or a trigger."""
        steps = status.get("steps") or []
        zero_ps = steps[step - 1].get("frame_zero_ps") if 0 < step <= len(steps) else None
        if status.get("frames_wait") or zero_ps not in (None, self._step_since_ps):
            self._step_since_ps, self._paused_ps = now_ps if zero_ps is None else int(zero_ps), 0

    def _measure(self, counts: dict[str, int], now_s: float, elapsed_s: float) -> None:
        if self._before is None and elapsed_s > _EVERY_S:
            self._rates_cps = {name: count / elapsed_s for name, count in counts.items()}  # found under way: so far
        elif self._before is not None and now_s > self._before[0]:
            passed_s, before = now_s - self._before[0], self._before[1]
            for name, count in counts.items():
                if count >= before.get(name, 0):
                    self._rates_cps[name] = (count - before.get(name, 0)) / passed_s
        self._before = (now_s, counts)


def _randoms_fraction(rates_cps: dict[str, float]) -> float | None:
    """Return delayeds over prompts; None where either is missing."""
    prompts, delayeds = rates_cps.get("prompts"), rates_cps.get("delayeds")
    return round(delayeds / prompts, 4) if prompts and delayeds else None


def _of_step(status: dict[str, Any], step: int) -> dict[str, Any]:
    """Return what the readout says of a step; nothing where it does not."""
    steps = status.get("steps") or []
    return dict(steps[step - 1]) if 0 < step <= len(steps) else {}


def _begin_ps(status: dict[str, Any], step: int, now_ps: int) -> int:
    """Return when the step began, which may have been under another daemon; now where the readout does not say."""
    begun = _of_step(status, step).get("begin_ps")
    return now_ps if begun is None else int(begun)


def _remaining_s(fraction: float | None, elapsed_s: float) -> float | None:
    """Return how long the step still takes if it goes on as it did."""
    if not fraction or elapsed_s <= 0:
        return None
    return round(max(elapsed_s * (1 / min(fraction, 1.0) - 1), 0.0), 1)


def troubles(status: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield what a person should know of a status: name of the alarm, text, what to do."""
    if float(status.get("unanswered_s", 0.0)) > _UNANSWERED_S:
        yield (
            "readout-silent",
            f"the program that records has not answered for {status['unanswered_s']:.0f} s; what is shown is as old",
            "wait a moment; if it stays so, stop and repeat the view: what was recorded is safe. Tell service",
        )
    if float(status.get("silent_s", 0.0)) > _SILENT_S and status["state"] == "recording":
        yield (
            "front-end-silent",
            "nothing comes from the detector",
            "look at the power and the cables of the detector's electronics; it ends by itself when nothing comes",
        )
    if status.get("words_missing"):
        yield (
            "words-missing",
            f"{int(status['words_missing']):,} words of the detector's electronics were lost on their way: counts are "
            "missing",
            "go on; the counts that arrived are safe, the time that is missing is kept. Where it grows, tell service",
        )
    if status.get("rows_shed_to_rebuild"):
        yield (
            "rows-rebuilt-later",
            "more came than could be worked out at once; it is worked out from what was recorded at the end",
            "nothing needs to be done; it takes a little longer to complete",
        )
    for number, warning in enumerate(status.get("warnings", [])):
        yield f"readout-warning-{number + 1}", str(warning), "the text says what mends it; the recording goes on"
