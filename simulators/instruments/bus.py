"""Several instruments on one wire: each hears everything, and answers what is for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from daq.errors import UsageError
from simulators.instruments.machine import Done, Looking, Machine, Talk


class BusTalk:
    """What one client says to all of them."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._talks: dict[int, Talk] = {number: machine.talk() for number, machine in bus.machines.items()}

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes; return the replies of those that live."""
        live = (talk for number, talk in self._talks.items() if number not in self._bus.dead)
        return [reply for talk in live for reply in talk.feed(data)]


class Bus:
    """Machines by their number on the wire. A deed is done to the one that `board` says, else to the first."""

    def __init__(self, machines: Mapping[int, Machine]) -> None:
        self.machines = dict(machines)
        self.dead: set[int] = set()

    def talk(self) -> BusTalk:
        """Return a conversation with all of them."""
        return BusTalk(self)

    def deeds(self) -> Mapping[str, Done]:
        """Return what can be done to one of them; to `die` is to say nothing until it may `live`."""
        names = {name for machine in self.machines.values() for name in machine.deeds()}
        return {
            "die": lambda said: self.dead.add(self._board(said)),
            "live": lambda said: self.dead.discard(self._board(said)),
            **{name: self._deed(name) for name in sorted(names)},
        }

    def told(self) -> dict[str, Any]:
        """Return what is the case with each of them."""
        return {"boards": {str(number): machine.told() for number, machine in self.machines.items()}}

    def look(self) -> None:
        """Let those that look after themselves though nobody asks do so; one that is dead on the wire does, too."""
        for machine in self.machines.values():
            if isinstance(machine, Looking):
                machine.look()

    def _deed(self, name: str) -> Done:
        def do(said: Mapping[str, Any]) -> None:
            board = self._board(said)
            self.machines[board].deeds()[name]({key: value for key, value in said.items() if key != "board"})

        return do

    def _board(self, said: Mapping[str, Any]) -> int:
        board = said.get("board", next(iter(self.machines)))
        if board not in self.machines:
            raise UsageError(f"board {board!r}: there are {', '.join(map(str, self.machines))}")
        return int(board)
