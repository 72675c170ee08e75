"""Watches the rate of a test of quality control while it counts: outside of the protocol's range it says nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING

from daq.model.station import Announcement, Progress
from daq.services.alarms import Alarms
from daq.services.bus import Bus

if TYPE_CHECKING:
    from daq.model.protocol import AcquisitionProtocol

DEVICE, ALARM = "qc", "rate"
OBSTACLE = "quality control: "
"""Marks that the daemon puts into a recording begin so where something stands against the test. A person's begin with
the name of the person."""
OUTSIDE_S = 10.0
_LEAST_S = 1.0
"""Over so long a rate is measured, of detector time."""
_HEAD = re.compile(r"@(?P<head>[0-9]+)$")


class RateWatch:
    """Hears the progress of one run. `obstacle` takes a sentence, once a step, for the recording.

    Rates are by detector time, so that a front end that is played faster is judged alike.
    """

    def __init__(
        self, run: str, protocol: AcquisitionProtocol, alarms: Alarms, counting: Callable[[], bool],
        obstacle: Callable[[str], None],
    ) -> None:  # fmt: skip
        self._run, self._protocol, self._alarms = run, protocol, alarms
        self._counting, self._obstacle = counting, obstacle
        self._before: tuple[float, dict[str, int]] | None = None
        self._outside_s: dict[str, float] = {}
        self._step = 0
        self._said: set[tuple[int, str]] = set()
        self._listening = ExitStack()

    def begin(self, bus: Bus) -> None:
        """Listen until `end`."""
        self._listening.enter_context(bus.listening(self.heard))

    def end(self) -> None:
        """Hear nothing more; the alarm is over."""
        self._listening.close()
        self._alarms.clear(DEVICE, ALARM)

    def heard(self, said: Announcement) -> None:
        """Take note of a progress of the run."""
        if not isinstance(said, Progress) or said.run != self._run:
            return
        if said.step != self._step or not self._counting():
            self._step, self._before = said.step, None
            self._outside_s.clear()
            return
        counts = self._watched(said.counts)
        if self._before is None:
            self._before = said.elapsed_s, counts
            return
        passed_s = said.elapsed_s - self._before[0]
        if passed_s < _LEAST_S:
            return
        for name, count in counts.items():
            self._judge(name, (count - self._before[1].get(name, 0)) / passed_s, passed_s)
        self._before = said.elapsed_s, counts
        if not any(seconds >= OUTSIDE_S for seconds in self._outside_s.values()):
            self._alarms.clear(DEVICE, ALARM)

    def _watched(self, counts: Mapping[str, int]) -> dict[str, int]:
        """Return the counts in the first window by head; of a ring its prompts; of a detector that is alone its own."""
        if self._protocol.modality == "pet":
            return {"prompts": counts["prompts"]} if "prompts" in counts else {}
        windows = self._protocol.windows.windows
        whole = f"singles[{windows[0].name}]" if windows else "events"
        heads = {name: count for name, count in counts.items() if re.fullmatch(re.escape(whole) + r"@[0-9]+", name)}
        return heads or ({whole: counts[whole]} if whole in counts else {})

    def _judge(self, name: str, rate_cps: float, passed_s: float) -> None:
        qc = self._protocol.qc
        low, high = qc.rate_cps if qc is not None and qc.rate_cps is not None else (0.0, float("inf"))
        if self._sweeps():
            low = 0.0  # a sheet on the bed is not before a head all the way; the counts of its rows are judged
        if low <= rate_cps <= high:
            self._outside_s[name] = 0.0
            return
        self._outside_s[name] = self._outside_s.get(name, 0.0) + passed_s
        if self._outside_s[name] < OUTSIDE_S:
            return
        text = f"{_called(name)} counts {rate_cps:,.0f} cps, and {low:,.0f} to {high:,.0f} cps are wanted"
        self._alarms.raise_(
            DEVICE, ALARM, priority="medium", latched=False, text=f"{text}, for {OUTSIDE_S:g} s",
            guidance="stop, look at the source, its place and the collimator, and run the test again",
        )  # fmt: skip
        if (self._step, name) not in self._said:
            self._said.add((self._step, name))
            self._obstacle(f"{text}, for {OUTSIDE_S:g} s or longer")

    def _sweeps(self) -> bool:
        steps = self._protocol.steps
        return 1 <= self._step <= len(steps) and steps[self._step - 1].sweep is not None


def _called(name: str) -> str:
    found = _HEAD.search(name)
    return f"head {found['head']}" if found is not None else "the ring" if name == "prompts" else "the detector"
