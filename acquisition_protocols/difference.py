"""What differs between two protocols, in words. Steps are compared by name, so that a move is a move."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["changed", "added", "removed", "moved"]
_STEPS = "steps"
_NEVER = frozenset({"version"})
_WORDS = {
    "set": "position of", "stop": "end", "host": "at the latest", "also": "with it", "from": "from", "to": "to",
    "qc": "quality control", "phases": "frames", "gate": "gating", "view": "view", "sources": "source of",
    "after_injection": "time after the injection", "half_window": "half of the window", "as_step": "as long as",
    "repeat": "repetition", "image": "picture", "tolerances": "tolerance of", "store": "recorded data",
    "recorded": "recorded energies", "windows": "window",
}  # fmt: skip
_FEW = 8


@dataclass(frozen=True, slots=True)
class Change:
    """One difference. `path` as in the file, steps by name; `place` in words; `old` and `new` as text, or None."""

    path: str
    place: str
    kind: Kind
    old: str | None
    new: str | None

    @property
    def sentence(self) -> str:
        """Return it as a person says it."""
        if self.kind == "moved":
            return f"{self.place}: moved from place {self.old} to place {self.new}"
        if self.old is None:
            return f"{self.place}: added, {self.new}"
        if self.new is None:
            return f"{self.place}: removed, was {self.old}"
        return f"{self.place}: {self.old} → {self.new}"


def difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Change]:
    """Return what differs, in the order of the file; the number of the version is left out."""
    keys = [*old, *(key for key in new if key not in old)]
    found: list[Change] = []
    for key in keys:
        if key == _STEPS:
            found += _steps(old.get(key, []), new.get(key, []))
        elif key not in _NEVER:
            found += _values((key,), old.get(key), new.get(key))
    return found


def _steps(old: Sequence[Mapping[str, Any]], new: Sequence[Mapping[str, Any]]) -> Iterator[Change]:
    was = {str(step.get("name")): step for step in old}
    now = {str(step.get("name")): step for step in new}
    renamed = _renamed(list(was), list(now))
    for name, step in was.items():
        if name not in now and name not in renamed:
            yield Change(f"steps.{name}", f"step {name}", "removed", words(step), None)
    back = {then: before for before, then in renamed.items()}
    for name, step in now.items():
        before = name if name in was else back.get(name)
        if before is None:
            yield Change(f"steps.{name}", f"step {name}", "added", None, words(step))
            continue
        if before != name:
            yield Change(f"steps.{name}.name", f"step {before}, name", "changed", before, name)
        rest = [key for key in dict.fromkeys((*was[before], *step)) if key != "name"]
        for key in rest:
            yield from _values((_STEPS, name, key), was[before].get(key), step.get(key))
    yield from _moved([renamed.get(name, name) for name in was], list(now))


def _renamed(was: list[str], now: list[str]) -> dict[str, str]:
    """Return old name and new name of steps that stand in the same place under another name."""
    if len(was) != len(now):
        return {}
    pairs = zip(was, now, strict=True)
    return {before: then for before, then in pairs if before != then and before not in now and then not in was}


def _moved(was: list[str], now: list[str]) -> Iterator[Change]:
    """Yield the steps of both that stand elsewhere among those of both: as few as tell it."""
    old, new = [name for name in was if name in now], [name for name in now if name in was]
    stay = _longest_in_order([old.index(name) for name in new])
    for place, name in enumerate(new):
        if place not in stay:
            told = str(was.index(name) + 1), str(now.index(name) + 1)
            yield Change(f"steps.{name}", f"step {name}", "moved", *told)


def _longest_in_order(numbers: list[int]) -> set[int]:
    """Return the places of a longest run of numbers that ascend."""
    best: list[tuple[int, list[int]]] = []
    for place, number in enumerate(numbers):
        before = max((run for run in best if numbers[run[1][-1]] < number), default=(0, []))
        best.append((before[0] + 1, [*before[1], place]))
    return set(max(best, default=(0, []))[1])


def _values(path: tuple[str, ...], old: Any, new: Any) -> Iterator[Change]:
    if old == new and isinstance(old, bool) == isinstance(new, bool):
        return
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in dict.fromkeys((*old, *new)):
            yield from _values((*path, str(key)), old.get(key), new.get(key))
    elif isinstance(old, Mapping) and new is None:
        for key, value in old.items():
            yield from _values((*path, str(key)), value, None)
    elif isinstance(new, Mapping) and old is None:
        for key, value in new.items():
            yield from _values((*path, str(key)), None, value)
    else:
        kind: Kind = "added" if old is None else "removed" if new is None else "changed"
        was, now = _shortened(old, new)
        yield Change(".".join(path), place(path), kind, was, now)


def _shortened(old: Any, new: Any) -> tuple[str | None, str | None]:
    """Return both as words; of long arrays of one length only the items that differ."""
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new) > _FEW:
        at = [number for number, (was, now) in enumerate(zip(old, new, strict=True)) if was != now]
        places = ", ".join(str(number + 1) for number in at)
        which = f" (of {len(old)}: number {places})"
        return ", ".join(words(old[n]) for n in at) + which, ", ".join(words(new[n]) for n in at)
    return (None if old is None else words(old)), (None if new is None else words(new))


def place(path: tuple[str, ...]) -> str:
    """Return a path in words: `step knees, end, time`."""
    if path[0] == _STEPS:
        return ", ".join([f"step {path[1]}", *_named(path[2:])])
    return ", ".join(_named(path))


def _named(path: tuple[str, ...]) -> list[str]:
    joined: list[str] = []
    for part in path:
        word = _WORDS.get(part, part.replace("_", " "))
        if joined and joined[-1].endswith(" of"):
            joined[-1] += f" {word}"
        else:
            joined.append(word)
    return joined


def words(value: Any) -> str:
    """Return a value of a protocol in words."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{key.replace('_', ' ')} {words(below)}" for key, below in value.items()) or "nothing"
    if isinstance(value, list):
        between = "; " if value and isinstance(value[0], Mapping) else ", "
        return between.join(words(item) for item in value) or "none"
    return str(value)
