"""What `daq profile show` says of a control profile: who it is for, what can be read and set, within which limits."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from daq.model.control import ControlProfile, ControlValue


def show_control(profile: ControlProfile, *, as_json: bool) -> None:
    """Print a control profile as tables for people, or as one JSON object."""
    from daq.cli.output import print_json, print_table

    if as_json:
        print_json(profile.model_dump(mode="json"))
        return
    print_table(profile.title, ["what", "value"], facts(profile))
    rows = [[name, *_row(value)] for name, value in profile.values.items()]
    print_table("Values", ["name", "of", "unit", "read", "set", "limits", "proof", "hazard", "meaning"], rows)
    done = [
        [name, action.of, action.hazard,
         f"{action.confirm.value} reads {action.confirm.reads}" if action.confirm else "", action.meaning]
        for name, action in profile.actions.items()
    ]  # fmt: skip
    print_table("Actions", ["name", "of", "hazard", "proof", "meaning"], done)


def facts(profile: ControlProfile) -> list[list[str]]:
    """Return the facts of a profile as rows of two texts."""
    transport, conversation = profile.transport, profile.conversation
    line = transport.serial
    settings = f"; {line.baud} baud, {line.bits} bits, parity {line.parity}, stop {line.stop}" if line else ""
    safe = profile.safe_state
    return [
        ["id", profile.id],
        ["vendor, models", f"{profile.vendor}: {', '.join(profile.models)}"],
        ["firmware", profile.firmware or "any"],
        ["source", profile.source],
        ["verified on", profile.verified],
        ["transport", f"{', '.join(transport.kinds)}{settings}; usual port {transport.port or 'none'}"],
        ["replies", f"within {conversation.reply_s:g} s, never later than {conversation.late_s:g} s"],
        ["channels", ", ".join(profile.channels) or "none"],
        ["site says", ", ".join(f"{name} (usually {usual})" for name, usual in profile.variables.items()) or "nothing"],
        ["is able to be", ", ".join(_roles(profile)) or "read and set"],
        ["safe state", f"{', '.join(safe.actions)}: {safe.value} below {safe.below:g} within {safe.within_s:g} s"
         if safe else "none needed"],
        *([["notes", profile.notes]] if profile.notes else []),
    ]  # fmt: skip


def _roles(profile: ControlProfile) -> list[str]:
    roles = profile.roles
    able = {"a supply of high voltage": roles.high_voltage, "an axis": roles.axis}
    return [
        *(text for text, role in able.items() if role is not None),
        *(f"interlock {kind}" for kind in roles.interlocks), *(f"thermometer {name}" for name in roles.thermometers),
    ]  # fmt: skip


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
