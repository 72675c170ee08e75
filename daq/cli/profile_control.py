"""What `daq profile show` says of a control profile: who it is for, what can be read and set, within which limits."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from daq.model.control import ControlProfile, ControlValue


def show_control(profile: ControlProfile, *, as_json: bool) -> None:
    """Print a control profile as tables for people, or as one JSON object."""
    from daq.cli.output import print_json, print_table
    from device_profiles.controlpage import facts

    if as_json:
        print_json(profile.model_dump(mode="json"))
        return
    print_table(
        profile.title, ["what", "value"], [*facts(profile), *([["notes", profile.notes]] if profile.notes else [])]
    )
    rows = [[name, *_row(value)] for name, value in profile.values.items()]
    print_table("Values", ["name", "of", "unit", "read", "set", "limits", "proof", "hazard", "meaning"], rows)
    done = [
        [name, action.of, action.hazard,
         f"{action.confirm.value} reads {action.confirm.reads}" if action.confirm else "", action.meaning]
        for name, action in profile.actions.items()
    ]  # fmt: skip
    print_table("Actions", ["name", "of", "hazard", "proof", "meaning"], done)


def _row(value: ControlValue) -> list[str]:
    hard, proof = value.limits.hard, value.readback
    reads = value.get is not None or value.all is not None
    every = f"every {value.poll_s:g} s" if value.poll_s else "when asked"
    names = ", ".join([*value.flags, *value.choices])
    return [
        value.of, value.unit or "", every if reads else "no", "yes" if value.set is not None else "no",
        f"{hard[0]:g} to {hard[1]:g}" if hard else "",
        f"{proof.value or 'itself'} within {proof.tolerance:g}" if proof else "",
        value.hazard if value.set is not None else "", "; ".join(filter(None, [value.meaning, names])),
    ]  # fmt: skip
