"""What a control profile names as proof can be one: it is read, of the same part of the instrument, in its unit.

What is wrong here would show only when a voltage is up or an axis moves: then the proof fails, or proves nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from daq.model.control import Confirm, ControlProfile, ControlValue, Exchange
from daq.model.controlroles import SupplyRole
from daq.model.finding import Finding, error, warning
from daq.model.pattern_cost import why_slow
from daq.model.units import UNITS

_FIELD = re.compile(r"\{([a-z_]+)\}")
_TAKEN = ("channel", "value", "speed", "tag", "beat")
_NUMBERS = ("number", "integer", "mantissa")
_SUPPLY_UNITS = {
    "output_v": "V", "set_v": "V", "current_a": "A", "max_v": "V", "slope_v_per_s": "V/s",
    "slope_down_v_per_s": "V/s", "trip_a": "A", "trip_s": "s",
}  # fmt: skip
_MOST_TOLERATED = 0.25
"""Of what the hard limits allow; a read-back that tolerates more proves nothing."""


def proofs(profile: ControlProfile) -> Iterator[Finding]:
    """Return what is wrong with what values, actions and roles name as proof, and with patterns and variables."""
    for name in sorted(set(profile.variables) & set(_TAKEN)):
        yield error("variables", name, "is filled in by the program")
    if len(set(profile.channels)) != len(profile.channels):
        yield error("channels", list(profile.channels), "two channels of one name")
    for name, value in profile.values.items():
        if value.set is not None:
            yield from _set(f"values.{name}", value, profile)
    for name, action in profile.actions.items():
        if action.confirm is not None:
            yield from _confirmed(f"actions.{name}.confirm", action.of, action.confirm, profile)
    yield from _safe(profile)
    yield from _of_roles(profile)


def patterns(profile: ControlProfile, exchanges: list[tuple[str, Exchange]]) -> Iterator[Finding]:
    """Demand that no pattern tries for minutes whether a reply fits, and that troubles name what is known."""
    known = set(profile.variables) | ({"tag"} if profile.framing.tag else set())
    for number, trouble in enumerate(profile.troubles):
        for name in sorted(set(_FIELD.findall(trouble.reply)) - known):
            yield error(f"troubles[{number}].reply", trouble.reply, f"{{{name}}} is not known of every exchange")
    replies = [(f"{key}.reply", exchange.reply) for key, exchange in exchanges if exchange.reply is not None]
    replies += [(f"troubles[{number}].reply", each.reply) for number, each in enumerate(profile.troubles)]
    for key, pattern in [*replies, ("identity.models", profile.identity.models)]:
        if why := why_slow(_FIELD.sub("x", pattern), profile.framing.longest_reply):
            yield error(key, pattern, why)


def _set(key: str, value: ControlValue, profile: ControlProfile) -> Iterator[Finding]:
    """Demand that it is a number that is set, with limits, and that what proves it can."""
    hard, proof = value.limits.hard, value.readback
    if value.type in ("choice", "text"):
        yield error(f"{key}.set", value.type, "numbers are set; for anything else there are actions")
    elif value.type == "flags" and hard is None:
        yield error(f"{key}.limits.hard", value.type, "what is set has limits")
    if proof is None:
        return
    if hard is not None and proof.tolerance > _MOST_TOLERATED * (hard[1] - hard[0]):
        span = f"{hard[0]:g} to {hard[1]:g}"
        yield error(f"{key}.readback.tolerance", proof.tolerance, f"proves nothing of what goes from {span}")
    other = profile.values.get(proof.value or "")
    if other is None:
        return
    yield from _read(f"{key}.readback.value", proof.value or "", profile)
    if other.of == "channel" and value.of == "device":
        yield error(f"{key}.readback.value", proof.value or "", "is of a channel, what is set is of the device")
    if other.unit != value.unit:
        yield error(f"{key}.readback.value", proof.value or "", f"is in {other.unit}, what is set in {value.unit}")


def _confirmed(key: str, of: str, confirm: Confirm, profile: ControlProfile) -> Iterator[Finding]:
    word, _, flag = confirm.value.partition(".")
    value = profile.values.get(word)
    if value is None:
        return
    yield from _read(f"{key}.value", confirm.value, profile)
    if value.of == "channel" and of == "device":
        yield error(f"{key}.value", confirm.value, "is of a channel, the action is of the device")
    reads, wrong = confirm.reads, ""
    if flag:
        wrong = "" if isinstance(reads, bool) else "a flag reads true or false"
    elif value.type == "choice":
        wrong = "" if reads in value.choices else f"is none of its choices: {', '.join(value.choices)}"
    elif value.type == "text":
        wrong = "" if isinstance(reads, str) else "a text reads a text"
    else:
        wrong = "a number reads a number" if isinstance(reads, bool | str) else ""
    if wrong:
        yield error(f"{key}.reads", reads, wrong)


def _safe(profile: ControlProfile) -> Iterator[Finding]:
    """Demand that what must be low to be safe is measured, and that low is low."""
    safe, role = profile.safe_state, profile.roles.high_voltage
    known = profile.values.get(safe.value) if safe is not None else None
    if safe is None or known is None:
        return
    for name in sorted(set(safe.actions) & set(profile.start_up.actions)):
        reason = "is said whenever a conversation begins anew, also after one lost reply: it would take down what is up"
        yield error("start_up.actions", name, reason)
    yield from _read("safe_state.value", safe.value, profile)
    if known.type not in _NUMBERS:
        yield error("safe_state.value", safe.value, "is no number")
    if known.set is not None and known.hazard == "energising":
        yield error("safe_state.value", safe.value, "is what is set; safe is what is measured")
    most = profile.values.get(role.set_v) if role is not None and role.output_v == safe.value else None
    if most is not None and most.unit == known.unit and most.limits.hard is not None:
        top = max(map(abs, most.limits.hard))
        if safe.below > _MOST_TOLERATED * top:
            yield error("safe_state.below", safe.below, f"is not low where it goes to {top:g} {most.unit}")


def _of_roles(profile: ControlProfile) -> Iterator[Finding]:
    roles = profile.roles
    if roles.high_voltage is not None:
        yield from _units(roles.high_voltage, profile)
    for name, interlock in roles.interlocks.items():
        key, value = f"roles.interlocks.{name}", profile.values.get(interlock.value)
        yield from _read(f"{key}.value", interlock.value, profile)
        if value is not None and value.type in _NUMBERS and interlock.within is None and not interlock.safe_when:
            reason = "of a number that is neither nobody knows what it means, and it would count as safe: name choices"
            yield error(f"{key}.safe_when", "false", reason)
    for name, meter in roles.thermometers.items():
        yield from _read(f"roles.thermometers.{name}.value", meter.value, profile)
        value = profile.values.get(meter.value)
        if value is not None and value.unit != "degC":
            yield error(f"roles.thermometers.{name}.value", meter.value, f"is in {value.unit}, not in degC")
    if roles.axis is not None and "visa" in profile.transport.kinds:
        reason = "moves an axis: by VISA a stop waits until a reading has ended, so it may come later than 0.25 s"
        yield warning("transport.kinds", "visa", reason)
    yield from _of_the_device(profile)


def _of_the_device(profile: ControlProfile) -> Iterator[Finding]:
    enable, alive = profile.roles.enable, profile.roles.alive
    named = {
        "roles.alive.value": alive.value if alive is not None else None,
        "roles.enable.held": enable.held if enable is not None else None,
        "roles.enable.latched": enable.latched if enable is not None else None,
    }
    for key, name in named.items():
        value = profile.values.get((name or "").partition(".")[0])
        if name is not None and value is not None:
            yield from _read(key, name, profile)
            if value.of == "channel":
                yield error(key, name, "is of a channel; it is asked of the device")


def _units(role: SupplyRole, profile: ControlProfile) -> Iterator[Finding]:
    for field, unit in _SUPPLY_UNITS.items():
        name = getattr(role, field)
        value = profile.values.get(name or "")
        if value is None:
            continue
        yield from _read(f"roles.high_voltage.{field}", name, profile)
        if value.unit is None or UNITS[value.unit].dimension != UNITS[unit].dimension:
            yield error(f"roles.high_voltage.{field}", name, f"is in {value.unit}, needed is {unit}")
        if field in ("set_v", "max_v", "slope_v_per_s", "slope_down_v_per_s", "trip_a", "trip_s") and value.set is None:
            yield error(f"roles.high_voltage.{field}", name, "cannot be set")


def _read(key: str, name: str, profile: ControlProfile) -> Iterator[Finding]:
    """Demand that a value that is there can be read."""
    value = profile.values.get(name.partition(".")[0])
    if value is not None and value.get is None and value.all is None:
        yield error(key, name, "cannot be read")
