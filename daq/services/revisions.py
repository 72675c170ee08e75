"""Numbers that grow whenever a list has changed, so that who shows it asks for it again. They say nothing of what."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

Listener = Callable[[str, int], None]


class Revisions:
    """Counts changes of lists: worklist, protocols, studies ... For the loop's thread only."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._listeners: list[Listener] = []

    def changed(self, of: str) -> None:
        """Tell everybody that a list has changed. Listeners are called at once and must neither wait nor raise."""
        self._numbers[of] = self._numbers.get(of, 0) + 1
        for listener in tuple(self._listeners):
            listener(of, self._numbers[of])

    def newest(self) -> dict[str, int]:
        """Return how often each list has changed."""
        return dict(self._numbers)

    @contextmanager
    def listening(self, listener: Listener) -> Iterator[None]:
        """Call `listener` with the name and the number of each list, of those that have changed before, too."""
        for of, number in self._numbers.items():
            listener(of, number)
        self._listeners.append(listener)
        try:
            yield
        finally:
            self._listeners.remove(listener)
