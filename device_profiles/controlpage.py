"""The operator's page of a control profile, in Markdown: what can be read, set and done, within which limits.

Nothing stands there that is not in the profile.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from daq.model.control import Action, ControlProfile, ControlValue, Limits, Register
from daq.model.controlroles import AxisRole, SupplyRole

INDEX = "README.md"
_COMMAND = "daq profile doc"


def page(profile: ControlProfile) -> str:
    """Return the page of one profile."""
    parts = [
        f"# {profile.title}\n\nMade by `{_COMMAND}` from the control profile `{profile.id}`; see [Control profile]"
        f"(../control-profile.md).\n",
        _table(["what", "value"], facts(profile)),
        _section("Roles", ["as", "what it uses"], _roles(profile)),
        _section("Values", _VALUE_COLUMNS, (_value(name, value) for name, value in profile.values.items())),
        _section("Alarms", _ALARM_COLUMNS, _alarms(profile)),
        _section("Bits and words", ["value", "name", "is"], _words(profile)),
        _section("Registers", _REGISTER_COLUMNS, (_register(name, each) for name, each in profile.registers.items())),
        _section("Actions", ["action", "of", "hazard", "proof", "meaning"], _actions(profile)),
        _section("When it says no", ["it says", "that is", "what to do"], _troubles(profile)),
    ]
    notes = f"{profile.notes}\n" if profile.notes else ""
    return "\n".join(part for part in [*parts[:2], notes, *parts[2:]] if part)


def index(profiles: Sequence[ControlProfile]) -> str:
    """Return the page that leads to those of all profiles."""
    rows = [
        [f"[{each.id}]({each.id}.md)", each.title, ", ".join(_is_able(each)), each.verified]
        for each in sorted(profiles, key=lambda each: each.id)
    ]
    text = (
        "# Instruments\n\nOne page for each control profile that comes with scandaq, made from it by "
        f"`{_COMMAND}`: what an operator can read, set and do, within\nwhich limits, and what it means when the "
        "instrument says no. What the keys of a profile mean is on [another page](../control-profile.md).\n"
    )
    return f"{text}\n{_table(['profile', 'instrument', 'is able to be', 'verified on'], rows)}"


def facts(profile: ControlProfile) -> list[list[str]]:
    """Return the facts of a profile as rows of two texts."""
    transport, conversation = profile.transport, profile.conversation
    line = transport.serial
    settings = f"; {line.baud} baud, {line.bits} bits, parity {line.parity}, stop {line.stop}" if line else ""
    return [
        ["id", profile.id],
        ["vendor, models", f"{profile.vendor}: {', '.join(profile.models)}"],
        ["firmware", profile.firmware or "any"],
        ["source", profile.source],
        ["verified on", " ".join(filter(None, [profile.verified, profile.verified_on]))],
        ["transport", f"{', '.join(transport.kinds)}{settings}; usual port {transport.port or 'none'}"],
        *([["never tried over", ", ".join(transport.unproven)]] if transport.unproven else []),
        ["replies", f"within {conversation.reply_s:g} s, never later than {conversation.late_s:g} s"],
        ["channels", ", ".join(profile.channels) or "none"],
        ["site says", ", ".join(f"{name} (usually {usual})" for name, usual in profile.variables.items()) or "nothing"],
        ["is able to be", ", ".join(_is_able(profile)) or "read and set"],
        ["written at the start", ", ".join(profile.start_up.actions) or "nothing"],
        ["watchdog", _watchdog(profile)],
        ["safe state", _safe(profile)],
    ]  # fmt: skip


def _safe(profile: ControlProfile) -> str:
    safe = profile.safe_state
    if safe is None:
        return "none needed"
    value = profile.values.get(safe.value)
    below = f"{safe.below:g} {_unit(value.unit if value else None)}".strip()
    return f"{', '.join(safe.actions)}, until {safe.value} reads below {below} within {safe.within_s:g} s"


def _watchdog(profile: ControlProfile) -> str:
    watchdog_s, watchdog = profile.conversation.watchdog_s, profile.watchdog
    if watchdog_s is None:
        return "none"
    fed = f"the action {watchdog.heartbeat}" if watchdog is not None and watchdog.heartbeat else "whatever is asked"
    return f"acts after {watchdog_s:g} s without {fed}"


def _is_able(profile: ControlProfile) -> list[str]:
    roles = profile.roles
    able = {"a supply of high voltage": roles.high_voltage, "an axis": roles.axis}
    return [
        *(text for text, role in able.items() if role is not None),
        *(f"interlock {kind}" for kind in roles.interlocks), *(f"thermometer {name}" for name in roles.thermometers),
        *(["registers"] if profile.registers else []),
    ]  # fmt: skip


def _roles(profile: ControlProfile) -> Iterator[list[str]]:
    named = (("a supply of high voltage", profile.roles.high_voltage), ("an axis", profile.roles.axis))
    for text, role in named:
        if role is not None:
            yield [text, _used(role)]
            yield from (["its trouble", f"`{flag}`: {words}"] for flag, words in role.troubles.items())
    for kind, interlock in profile.roles.interlocks.items():
        closed = "yes" if interlock.safe_when else "no"
        yield [f"interlock {kind}", f"`{interlock.value}` means {closed}, read at most {interlock.stale_s:g} s ago"]
    for name, thermometer in profile.roles.thermometers.items():
        yield [f"thermometer {name}", f"`{thermometer.value}`"]


def _used(role: SupplyRole | AxisRole) -> str:
    named = [f"{key} `{name}`" for key, name in role.model_dump().items() if isinstance(name, str)]
    return ", ".join(named)


_VALUE_COLUMNS = ["value", "of", "unit", "read", "set", "hard limits", "proof", "hazard", "meaning"]


def _value(name: str, value: ControlValue) -> list[str]:
    reads = value.get is not None or value.all is not None
    every = f"every {value.poll_s:g} s" if value.poll_s else "when asked"
    proof = value.readback
    return [
        f"`{name}`", value.of, _unit(value.unit), every if reads else "no", "yes" if value.set is not None else "no",
        span(value.limits.hard), f"{proof.value or 'itself'} within {proof.tolerance:g}" if proof else "",
        value.hazard if value.set is not None else "", value.meaning,
    ]  # fmt: skip


_ALARM_COLUMNS = ["value", "unit", "warning outside of", "alarm outside of", "back within by", "priority", "what to do"]


def _alarms(profile: ControlProfile) -> Iterator[list[str]]:
    for name, value in profile.values.items():
        said: Limits = value.limits
        if said.warn or said.alarm:
            slack = value.deadband if said.hysteresis is None else said.hysteresis
            yield [
                f"`{name}`", _unit(value.unit), span(said.warn), span(said.alarm), f"{slack:g}",
                said.priority if said.alarm else "low", said.guidance,
            ]  # fmt: skip


def _words(profile: ControlProfile) -> Iterator[list[str]]:
    for name, value in profile.values.items():
        yield from ([f"`{name}`", f"`{flag}`", f"bit {bit}"] for flag, bit in value.flags.items())
        yield from ([f"`{name}`", f"`{word}`", f"`{said}`"] for word, said in value.choices.items())


_REGISTER_COLUMNS = ["register", "address", "words", "access", "mask", "unit", "beware", "hazard", "meaning"]


def _register(name: str, register: Register) -> list[str]:
    beware = {
        "a queue": register.fifo, "reading clears it": register.read_clears,
        "writing 1 clears a bit": register.write_one_clears, "changes by itself": register.volatile,
    }  # fmt: skip
    return [
        f"`{name}`", f"0x{register.address:x}", str(register.words), register.access, f"0x{register.mask:x}",
        _unit(register.unit), ", ".join(text for text, so in beware.items() if so),
        register.hazard if register.access != "read" else "", register.meaning,
    ]  # fmt: skip


def _actions(profile: ControlProfile) -> Iterator[list[str]]:
    for name, action in profile.actions.items():
        yield [f"`{name}`", action.of, action.hazard, _proof(action), action.meaning]


def _proof(action: Action) -> str:
    confirm = action.confirm
    if confirm is None:
        return "none: what is read next shows it"
    return f"`{confirm.value}` reads {str(confirm.reads).lower()} within {confirm.within_s:g} s"


def _troubles(profile: ControlProfile) -> Iterator[list[str]]:
    kinds = {
        "refused": "refused", "limit": "beyond a limit", "local": "somebody else has control", "busy": "busy",
        "fault": "a fault",
    }  # fmt: skip
    for trouble in profile.troubles:
        yield [f"`{trouble.reply}`", kinds[trouble.kind], trouble.text]


def span(limits: tuple[float, float] | None) -> str:
    """Return two limits as people read them; nothing for none."""
    return f"{limits[0]:g} to {limits[1]:g}" if limits else ""


def _unit(unit: str | None) -> str:
    return "" if unit in (None, "1") else str(unit)


def _section(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    table = _table(columns, rows)
    return f"## {title}\n\n{table}" if table else ""


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; columns in which no row says anything are left out, and a table without rows is none."""
    cells = [[_cell(cell) for cell in row] for row in rows]
    if not cells:
        return ""
    kept = [i for i in range(len(columns)) if any(row[i] for row in cells)]
    lines = [[columns[i] for i in kept], ["---" for _ in kept], *([row[i] for i in kept] for row in cells)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
