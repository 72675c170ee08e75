"""How long each source could take events in a step, told by its marks.

A front end that says its dead time (`dead_time` marks) could take events for a share of the time since its mark before.
Any other could all the time. A source that ended, or fell silent while others went on, could no more from then on.
"""

from __future__ import annotations

from dataclasses import dataclass

_PS = 1e12


@dataclass(slots=True)
class _Source:
    share: float | None = None
    """Of its last mark; None before one."""
    heard: bool = True
    from_ps: int = 0
    live_ps: float = 0.0

    def live_until(self, active_ps: int, share: float) -> None:
        """Count the time since `from_ps`, if it was heard; what was counted beyond `active_ps` is taken back."""
        if self.heard:
            self.live_ps += (active_ps - self.from_ps) * share
        self.from_ps = active_ps


class LiveTimes:
    """The sources of a recording, step after step. Times are of the step, in ps, pauses left out."""

    def __init__(self) -> None:
        self._sources: dict[int, _Source] = {}
        self._tells = False
        self._differ = False

    def begin(self) -> None:
        """Begin a step."""
        self._differ = any(not source.heard for source in self._sources.values())
        for source in self._sources.values():
            source.from_ps, source.live_ps = 0, 0.0

    def see(self, kind: str, source: int, active_ps: int, value2: float, text: str) -> None:
        """Take in a mark of a source: `source_start`, `source_end`, `silent`, `heard`, `dead_time`."""
        told = self._sources.setdefault(source, _Source())
        if kind == "dead_time":
            self._tells = True
            told.live_until(active_ps, value2)
            if told.heard:  # else it tells of the silence that it ends
                told.share = value2
        elif kind in ("source_end", "silent") and not text:
            since_ps = round(_PS * value2) if kind == "silent" else 0
            told.live_until(max(told.from_ps, active_ps - since_ps), self._share(told))
            told.heard = False
            self._differ = True
        elif kind in ("source_start", "heard") and not text and not told.heard:
            told.from_ps, told.heard = active_ps, True

    @property
    def shares(self) -> dict[int, float]:
        """Return of each source that tells its dead time the share of the last second in which it could take events."""
        told = list(self._sources.items())  # any thread may ask while another adds one
        return {number: source.share for number, source in told if source.share is not None and source.heard}

    @property
    def incomplete(self) -> bool:
        """True while some source tells its dead time and another has not yet."""
        return self._tells and any(source.share is None for source in self._sources.values())

    def end(self, active_ps: int) -> dict[int, int]:
        """End a step that lasted for so long; return the live time of each source, nothing where they do not differ.

        What is left after a source's last mark, about a second, is counted with the share of that mark. A source that
        tells its dead time and has not yet is left out.
        """
        if not (self._tells or self._differ):
            return {}
        found = {}
        for number, source in sorted(self._sources.items()):
            if self._tells and source.share is None:
                continue
            source.live_until(active_ps, self._share(source))
            found[number] = round(min(max(0.0, source.live_ps), active_ps))
        return found

    def _share(self, source: _Source) -> float:
        return 1.0 if source.share is None else source.share
