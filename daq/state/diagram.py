"""The manual's page of states, drawn from the table itself: `python -m daq.state.diagram` prints it."""

from __future__ import annotations

from daq.state.acquisition import ACTIVE, BY_A_PERSON, TRANSITIONS, State, Trigger, possible

_TITLE = """# States of an acquisition

Made by `python -m daq.state.diagram` from `daq/state/acquisition.py`; a test keeps this page equal to it.

One table says which trigger leads from which state to which other. A pair that is not in it is refused, whoever asks,
and the refusal says what is possible. Stopping motion and lowering energy are no triggers: they are possible always.
"""


def page() -> str:
    """Return the page as Markdown: the diagram, what a person may ask for in each state, every transition."""
    return "\n".join([_TITLE, "## Diagram", "", *_diagram(), "", *_verbs(), "", *_table(), ""])


def _diagram() -> list[str]:
    """Return the way of an acquisition as a Mermaid diagram. What is possible in every active state is left out."""
    shown: dict[tuple[State, State], list[Trigger]] = {}
    for state in (state for state in State if state is not State.FAULT):
        for trigger, after in TRANSITIONS[state].items():
            if _drawn(trigger):
                shown.setdefault((state, after), []).append(trigger)
    arrows = [f"    {a} --> {b}: {', '.join(triggers)}" for (a, b), triggers in shown.items()]
    return ["```mermaid", "stateDiagram-v2", "    [*] --> ready", *arrows, "    fault --> ready: acknowledge", "```"]


def _drawn(trigger: Trigger) -> bool:
    lost = (Trigger.MOTION_LOST, Trigger.READOUT_LOST, Trigger.FAULT_FOUND)
    return trigger not in lost and not trigger.startswith("found_")


def _verbs() -> list[str]:
    """Return the table of what a person may ask for."""
    head = "| state | " + " | ".join(BY_A_PERSON) + " |"
    rows = [
        f"| {state} | " + " | ".join("x" if verb in possible(state) else "" for verb in BY_A_PERSON) + " |"
        for state in State
    ]
    return ["## What a person may ask for", "", head, "| --- |" + " --- |" * len(BY_A_PERSON), *rows]


def _table() -> list[str]:
    """Return every pair of the table; the rows of a trigger that does the same in several states are one."""
    lines = ["## Every transition", "", "| trigger | in | leads to |", "| --- | --- | --- |"]
    for trigger in Trigger:
        by_end: dict[State, list[State]] = {}
        for state in State:
            if trigger in TRANSITIONS[state]:
                by_end.setdefault(TRANSITIONS[state][trigger], []).append(state)
        lines += [f"| {trigger} | {', '.join(states)} | {end} |" for end, states in by_end.items()]
    pairs = sum(len(row) for row in TRANSITIONS.values())
    every = len(State) * len(Trigger)
    lines += ["", f"{pairs} of {every} pairs are possible, the other {every - pairs} are refused. "
              f"In {len(ACTIVE)} of {len(State)} states an acquisition is under way."]  # fmt: skip
    return lines


if __name__ == "__main__":
    print(page(), end="")  # noqa: T201 - its only purpose
