"""The safety chain of a simulated gantry: emergency stop and collision pads act on the drives, not on this program."""

from __future__ import annotations

from collections.abc import Callable


class SafetyChain:
    """One chain for all drives of a gantry. Who listens is told at once when it opens."""

    def __init__(self) -> None:
        self.emergency_stop_pressed = False
        self.pad_pressed = False
        self._listeners: list[Callable[[], None]] = []

    def listen(self, listener: Callable[[], None]) -> None:
        """Call `listener` whenever the chain opens."""
        self._listeners.append(listener)

    @property
    def trouble(self) -> str:
        """Return what holds the drives, or nothing."""
        if self.emergency_stop_pressed:
            return "emergency stop pressed"
        return "collision pad hit" if self.pad_pressed else ""

    def press_emergency_stop(self) -> None:
        """Open the chain by the emergency stop."""
        self.emergency_stop_pressed = True
        self._open()

    def reset_emergency_stop(self) -> None:
        """Pull the emergency stop out again. Nothing moves because of that."""
        self.emergency_stop_pressed = False

    def hit_pad(self) -> None:
        """Open the chain by a collision pad."""
        self.pad_pressed = True
        self._open()

    def free_pad(self) -> None:
        """Take away what lay against the pad."""
        self.pad_pressed = False

    def _open(self) -> None:
        for listener in tuple(self._listeners):
            listener()
