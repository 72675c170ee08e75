"""The state the station is in: changed by triggers alone, on disk before anybody hears of it."""

from __future__ import annotations

from typing import Any

from daq.errors import RefusedError
from daq.model.station import StationStatus
from daq.services.acquisition.journal import Entry, Journal
from daq.services.bus import Bus
from daq.state.acquisition import ACTIVE, State, Trigger, next_state, possible


class Machine:
    """Holds the state, writes every change into the journal and announces it on the bus."""

    def __init__(self, journal: Journal, bus: Bus, *, simulated: bool) -> None:
        self._journal, self._bus, self._simulated = journal, bus, simulated
        self._shown: dict[str, Any] = {}

    @property
    def state(self) -> State:
        """Return the state."""
        return self._journal.entry.state

    @property
    def entry(self) -> Entry:
        """Return all that the journal holds."""
        return self._journal.entry

    def fire(self, trigger: Trigger, detail: str = "", **changes: Any) -> State:
        """Go where `trigger` leads, for the reason `detail`; raise `TransitionRefusedError` where it leads nowhere.

        `changes` are other fields of the journal that change at the same moment.
        """
        after = next_state(self.state, trigger)
        if trigger is Trigger.PREPARE:
            self.show_step(steps=0, name="", moving=False)  # what is shown is of the run before
        self._journal.write(state=after, detail=detail, **{**self._shown, **changes})
        self.announce()
        return after

    def fire_if_possible(self, trigger: Trigger, detail: str = "", **changes: Any) -> bool:
        """Do the same where the table allows it; return whether it did. For what comes from outside at any time."""
        if not self.allows(trigger):
            return False
        self.fire(trigger, detail, **changes)
        return True

    def allows(self, trigger: Trigger) -> bool:
        """Return whether the trigger leads anywhere now."""
        try:
            next_state(self.state, trigger)
        except RefusedError:
            return False
        return True

    def require_run(self, run: str | None) -> None:
        """Raise `RefusedError` where somebody means an acquisition, and the station has another one or none."""
        if run is None or run == self.entry.run:
            return
        there = f"the present one is {self.entry.run}" if self.entry.run else "it has none"
        raise RefusedError(
            f"{run} is not the acquisition that the station has now: {there}; look at it before you go on"
        )

    def note(self, detail: str | None = None, **changes: Any) -> None:
        """Change what is said of the state, or other fields of the journal, without leaving the state."""
        self._journal.write(**({} if detail is None else {"detail": detail}), **{**self._shown, **changes})
        self.announce()

    def keep(self, **changes: Any) -> None:
        """Change fields of the journal of which a status says nothing: nobody is told."""
        self._journal.write(**changes)

    def show_step(self, *, steps: int, name: str, moving: bool) -> None:
        """Say which step it is from here on; announced with the next change."""
        self._shown = {"steps": steps, "step_name": name, "moving": moving}

    def status(self) -> StationStatus:
        """Return what anybody may know."""
        entry = self._journal.entry
        return StationStatus(
            state=entry.state,
            since_utc=entry.since_utc,
            run=entry.run,
            protocol=entry.protocol_id,
            step=entry.step,
            steps=entry.steps,
            step_name=entry.step_name,
            detail=entry.detail,
            possible=tuple(str(verb) for verb in possible(entry.state)),
            moving=entry.state in ACTIVE and entry.moving,
            simulated=self._simulated,
        )

    def announce(self) -> None:
        """Say it on the bus."""
        self._bus.announce(self.status())
