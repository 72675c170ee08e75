"""What a control profile must obey beyond its types: names that exist, units, limits and proof of what energises."""

from __future__ import annotations

import re
from collections.abc import Iterator

from daq.model.control import ControlProfile, ControlValue, Exchange
from daq.model.control_proofs import patterns, proofs
from daq.model.controlroles import AxisRole, InterlockRole, SupplyRole
from daq.model.finding import ABSENT, Finding, error, warning
from daq.model.register_rules import registers
from daq.model.tables import close_names

_FIELD = re.compile(r"\{([a-z_]+)\}")
_NUMBERS = ("number", "integer", "mantissa")
_INTERLOCKS = (
    "service_cover", "temperature", "emergency_stop", "collision_pad", "drive_power", "watchdog", "room_door",
)  # fmt: skip


def findings(profile: ControlProfile) -> list[Finding]:
    """Return everything there is to say about a profile whose keys and types are in order."""
    return [
        *transport(profile), *identity(profile), *exchanges(profile), *values(profile), *actions(profile),
        *safe_state(profile), *beginning(profile), *roles(profile), *registers(profile), *proofs(profile),
        *patterns(profile, [(key, exchange) for key, exchange, _, _ in _all_exchanges(profile)]),
    ]  # fmt: skip


def transport(profile: ControlProfile) -> Iterator[Finding]:
    """Demand settings of the line where there is one, and a wire that the codec can use."""
    kinds, codec = profile.transport.kinds, profile.framing.codec
    if ("serial" in kinds) != (profile.transport.serial is not None):
        yield error(
            "transport.serial", ABSENT if "serial" in kinds else "a table", 'belongs to kinds = ["serial", ...]'
        )
    datagrams = codec in ("ipbus-udp", "rbcp")
    if datagrams != (tuple(kinds) == ("udp",)):
        yield error("framing.codec", codec, f"does not travel by {', '.join(kinds)}")
    unproven = set(profile.transport.unproven) - set(kinds)
    if unproven:
        yield error("transport.unproven", sorted(unproven), "names what is not in kinds")
    conversation = profile.conversation
    again = datagrams and conversation.resend_s is not None
    which, first_s = ("resend_s", conversation.resend_s) if again else ("reply_s", conversation.reply_s)
    if conversation.late_s < (first_s or 0):
        reason = f"below {which} = {first_s:g}: a reply that is waited for is not late"
        yield error("conversation.late_s", conversation.late_s, reason)


def identity(profile: ControlProfile) -> Iterator[Finding]:
    """Demand that it says a model, and what proves that replies are in order."""
    groups = {name for exchange in profile.identity.ask for name in _groups(exchange)}
    if "model" not in groups and not profile.identity.model:
        yield error("identity.ask", ABSENT, "no reply has the group `model`, e.g. (?P<model>[A-Z0-9]+)")
    if "serial" in groups and profile.identity.without_serial:
        yield error("identity.without_serial", "true", "a reply has the group `serial`")
    if "serial" not in groups and not profile.identity.without_serial:
        yield warning("identity.ask", ABSENT, "no reply has the group `serial`: another one in its place goes unseen")
    if unknown := groups - {"vendor", "model", "serial", "firmware"}:
        yield error("identity.ask", sorted(unknown), "groups are vendor, model, serial and firmware")


def exchanges(profile: ControlProfile) -> Iterator[Finding]:
    """Demand that everything in braces is known where it stands."""
    known = set(profile.variables)
    for key, exchange, of, sets in _all_exchanges(profile):
        allowed = (
            known
            | ({"tag"} if profile.framing.tag else set())
            | ({"channel"} if of == "channel" else set())
            | ({"value", "speed"} if sets else set())
            | ({"beat"} if key.startswith(f"actions.{_heartbeat(profile)}.") else set())
        )
        if profile.framing.tag and not ("{tag}" in exchange.send and "{tag}" in (exchange.reply or "{tag}")):
            yield error(key, exchange.send, "framing.tag = true: request and reply bear {tag}")
        for text in (exchange.send, exchange.reply or ""):
            for name in _FIELD.findall(text):
                if name not in allowed:
                    yield error(key, text, f"{{{name}}} is not known here; {close_names(name, tuple(sorted(allowed)))}")


def values(profile: ControlProfile) -> Iterator[Finding]:
    """Demand units, limits, names of bits, and proof of what is set."""
    for name, value in profile.values.items():
        key = f"values.{name}"
        yield from _typed(key, value)
        yield from _limits(key, value)
        yield from _reads(key, value)
        if value.of == "channel" and not profile.channels:
            yield error(f"{key}.of", value.of, "the profile has no channels")
        if value.set is not None:
            yield from _sets(key, value, profile)


def _typed(key: str, value: ControlValue) -> Iterator[Finding]:
    number = value.type in _NUMBERS
    if number and value.unit is None:
        yield error(f"{key}.unit", ABSENT, 'every number has a unit; a pure one "1"')
    if (value.type == "flags") != bool(value.flags):
        yield error(
            f"{key}.flags", sorted(value.flags) or ABSENT, 'names of bits belong to type = "flags", which needs some'
        )
    if (value.type == "choice") != bool(value.choices):
        yield error(f"{key}.choices", sorted(value.choices) or ABSENT, 'belong to type = "choice", which needs some')
    if len(set(value.flags.values())) != len(value.flags):
        yield error(f"{key}.flags", sorted(value.flags.values()), "two names for one bit")
    yield from _scaled(key, value)


def _scaled(key: str, value: ControlValue) -> Iterator[Finding]:
    for which in ("scale", "set_scale"):
        if getattr(value, which) == 0:
            yield error(f"{key}.{which}", 0, "makes every reading the same")


def _limits(key: str, value: ControlValue) -> Iterator[Finding]:
    for which in ("hard", "warn", "alarm"):
        bounds = getattr(value.limits, which)
        if bounds is not None and bounds[0] >= bounds[1]:
            yield error(f"{key}.limits.{which}", list(bounds), "the lower limit is not below the upper one")
    yield from _rings(key, value)


def _rings(key: str, value: ControlValue) -> Iterator[Finding]:
    """Demand that limits of readings are of something that is read, lie within each other, and say what to do."""
    limits = value.limits
    told = limits.warn or limits.alarm
    if told is None:
        return
    if value.poll_s is None:
        yield error(f"{key}.poll_s", ABSENT, "limits that warn or alarm need a value that is read regularly")
    if limits.warn and limits.alarm and not limits.alarm[0] <= limits.warn[0] < limits.warn[1] <= limits.alarm[1]:
        yield error(f"{key}.limits.warn", list(limits.warn), "lies outside of the alarm limits, which ring first then")
    if limits.hysteresis is not None and limits.hysteresis > (told[1] - told[0]) / 4:
        yield error(f"{key}.limits.hysteresis", limits.hysteresis, "is more than a quarter of what lies within")
    if limits.alarm and not limits.guidance:
        yield warning(f"{key}.limits.guidance", ABSENT, "an alarm says what to do, or is not worth being one")


def _reads(key: str, value: ControlValue) -> Iterator[Finding]:
    for which in ("get", "all"):
        exchange: Exchange | None = getattr(value, which)
        if exchange is not None and "value" not in _groups(exchange):
            yield error(f"{key}.{which}.reply", exchange.reply or ABSENT, "has no group `value`: (?P<value>...)")
    if value.get is None and value.all is None and value.set is None:
        yield error(key, ABSENT, "can neither be read nor set")
    if value.poll_s is not None and value.get is None and value.all is None:
        yield error(f"{key}.poll_s", value.poll_s, "of something that cannot be read")
    if value.stale_s is not None and value.poll_s is not None and value.stale_s < value.poll_s:
        yield error(f"{key}.stale_s", value.stale_s, f"below poll_s = {value.poll_s:g}: it would be stale at once")


def _sets(key: str, value: ControlValue, profile: ControlProfile) -> Iterator[Finding]:
    if value.type in _NUMBERS and value.limits.hard is None:
        yield error(f"{key}.limits.hard", ABSENT, "what is set has limits")
    if value.hazard == "moving":
        axis = profile.roles.axis
        if axis is None or key.removeprefix("values.") not in (axis.target, axis.jog):
            yield error(f"{key}.hazard", value.hazard, "what moves is target or jog of roles.axis: it is looked after")
    elif value.readback is None:
        problem = error if value.hazard == "energising" else warning
        yield problem(f"{key}.readback", ABSENT, "only a reading proves that it was set")
    else:
        other = value.readback.value
        if other is not None and other not in profile.values:
            yield error(f"{key}.readback.value", other, close_names(other, dict(profile.values)))
        if other is None and value.get is None and value.all is None:
            yield error(f"{key}.readback", "itself", "cannot be read")


def actions(profile: ControlProfile) -> Iterator[Finding]:
    """Demand that what energises is confirmed by a reading, and that readings exist."""
    for name, action in profile.actions.items():
        key = f"actions.{name}"
        if action.confirm is None:
            if action.hazard == "energising":
                yield error(f"{key}.confirm", ABSENT, "an acknowledgement is no proof: name a reading")
        else:
            yield from _exists(f"{key}.confirm.value", action.confirm.value, profile)
        if action.of == "channel" and not profile.channels:
            yield error(f"{key}.of", action.of, "the profile has no channels")


def safe_state(profile: ControlProfile) -> Iterator[Finding]:
    """Demand safe actions alone; and a safe state where anything energises."""
    safe = profile.safe_state
    energises = any(value.hazard == "energising" for value in profile.values.values() if value.set is not None)
    if safe is None:
        if energises or any(action.hazard == "energising" for action in profile.actions.values()):
            yield error("safe_state", ABSENT, "what can be energised has a safe state, which is a reading")
        return
    for name in safe.actions:
        action = profile.actions.get(name)
        if action is None or action.hazard != "safe":
            reason = f'is no action with hazard = "safe"; {close_names(name, dict(profile.actions))}'
            yield error("safe_state.actions", name, reason)
    yield from _exists("safe_state.value", safe.value, profile)


def beginning(profile: ControlProfile) -> Iterator[Finding]:
    """Demand that nothing energises or moves by itself, and that a watchdog has a time and what it names."""
    for name in profile.start_up.actions:
        yield from _harmless("start_up.actions", name, profile)
    watchdog = profile.watchdog
    if watchdog is None:
        return
    if profile.conversation.watchdog_s is None:
        yield error("conversation.watchdog_s", ABSENT, "a watchdog has a time")
    for field in ("heartbeat", "arm", "disarm"):
        named = getattr(watchdog, field)
        if named is not None:
            yield from _harmless(f"watchdog.{field}", named, profile)
    if watchdog.tripped is not None:
        yield from _yes_or_no("watchdog.tripped", watchdog.tripped, profile)


def _harmless(key: str, name: str, profile: ControlProfile) -> Iterator[Finding]:
    action = profile.actions.get(name)
    if action is None or action.of != "device" or action.hazard not in ("safe", "neutral"):
        reason = f"is no safe or neutral action of the device; {close_names(name, dict(profile.actions))}"
        yield error(key, name, reason)


def _heartbeat(profile: ControlProfile) -> str | None:
    return profile.watchdog.heartbeat if profile.watchdog is not None else None


def roles(profile: ControlProfile) -> Iterator[Finding]:
    """Demand that what roles name is there and is of the right sort."""
    supply, axis = profile.roles.high_voltage, profile.roles.axis
    for key, role in (("roles.high_voltage", supply), ("roles.axis", axis)):
        if role is not None:
            yield from _named_in(key, role, profile)
    if supply is not None:
        yield from _switched(supply, profile)
    for name, interlock in profile.roles.interlocks.items():
        yield from _interlock(f"roles.interlocks.{name}", interlock.kind or name, interlock, profile)
    for name, meter in profile.roles.thermometers.items():
        yield from _exists(f"roles.thermometers.{name}.value", meter.value, profile)
    yield from _of_the_room(profile)


def _switched(role: SupplyRole, profile: ControlProfile) -> Iterator[Finding]:
    """Demand a switch that is whole, and that what is said before its limits are written does no harm."""
    parts = {"on": role.on, "switch_on": role.switch_on, "switch_off": role.switch_off}
    if missing := [name for name, named in parts.items() if named is None]:
        if len(missing) < len(parts):
            yield error(f"roles.high_voltage.{missing[0]}", ABSENT, "a switch is on, switch_on and switch_off together")
        if not role.measures_when_off:
            yield error("roles.high_voltage.measures_when_off", "false", "it has no switch: it is never off")
    prepare = profile.actions.get(role.prepare or "")
    if prepare is not None and prepare.hazard not in ("safe", "neutral"):
        yield error("roles.high_voltage.prepare", role.prepare or "", "is neither safe nor neutral")


def _of_the_room(profile: ControlProfile) -> Iterator[Finding]:
    """Demand that what is pressed or exchanged by a person can be read."""
    enable, collimator = profile.roles.enable, profile.roles.collimator
    if enable is not None:
        yield from _yes_or_no("roles.enable.held", enable.held, profile)
        if enable.latched is not None:
            yield from _yes_or_no("roles.enable.latched", enable.latched, profile)
    if collimator is not None:
        yield from _exists("roles.collimator.value", collimator.value, profile)
    if profile.roles.alive is not None:
        yield from _exists("roles.alive.value", profile.roles.alive.value, profile)


def _interlock(key: str, kind: str, role: InterlockRole, profile: ControlProfile) -> Iterator[Finding]:
    if kind not in _INTERLOCKS:
        yield error(key, kind, f"no kind of interlock; {close_names(kind, _INTERLOCKS)}")
    if role.within is None:
        yield from _yes_or_no(f"{key}.value", role.value, profile)
        return
    yield from _exists(f"{key}.value", role.value, profile)
    value = profile.values.get(role.value)
    if value is not None and value.type not in _NUMBERS:
        yield error(f"{key}.within", list(role.within), f"{role.value} is no number")
    if role.within[0] >= role.within[1]:
        yield error(f"{key}.within", list(role.within), "the lower bound is not below the upper one")


def _yes_or_no(key: str, name: str, profile: ControlProfile) -> Iterator[Finding]:
    yield from _exists(key, name, profile)
    value = profile.values.get(name)
    if value is not None and value.type != "flags" and not value.means_yes:
        yield error(key, name, f"is asked for yes or no: values.{name}.means_yes says what means yes")


def _named_in(key: str, role: SupplyRole | AxisRole, profile: ControlProfile) -> Iterator[Finding]:
    for field in type(role).model_fields:
        named = getattr(role, field)
        if field in ("switch_on", "switch_off", "prepare", "home", "halt", "clear", "mark_homed"):
            if named is not None and named not in profile.actions:
                yield error(f"{key}.{field}", named, f"is no action; {close_names(named, dict(profile.actions))}")
        elif field == "troubles":
            for name in named:
                yield from _yes_or_no(f"{key}.troubles", name, profile)
        elif field in ("on", "moving", "homed", "at_minimum", "at_maximum", "search_over") and named is not None:
            yield from _yes_or_no(f"{key}.{field}", named, profile)
        elif isinstance(named, str):
            yield from _exists(f"{key}.{field}", named, profile)


def _exists(key: str, name: str, profile: ControlProfile) -> Iterator[Finding]:
    word, _, flag = name.partition(".")
    value = profile.values.get(word)
    if value is None:
        yield error(key, name, f"is no value; {close_names(word, dict(profile.values))}")
    elif bool(flag) != (value.type == "flags"):
        yield error(key, name, "a flag is named value.flag, anything else by its value alone")
    elif flag and flag not in value.flags:
        yield error(key, name, f"has no such flag; {close_names(flag, dict(value.flags))}")


def _all_exchanges(profile: ControlProfile) -> Iterator[tuple[str, Exchange, str, bool]]:
    for number, exchange in enumerate(profile.identity.ask):
        yield f"identity.ask[{number}]", exchange, "device", False
    for name, value in profile.values.items():
        for which in ("get", "all", "set"):
            asked: Exchange | None = getattr(value, which)
            if asked is not None:
                yield f"values.{name}.{which}", asked, "device" if which == "all" else value.of, which == "set"
        for number, exchange in enumerate(value.then):
            yield f"values.{name}.then[{number}]", exchange, value.of, True
    for name, action in profile.actions.items():
        for number, exchange in enumerate(action.send):
            yield f"actions.{name}.send[{number}]", exchange, action.of, True


def _groups(exchange: Exchange) -> set[str]:
    return set(re.compile(_FIELD.sub("x", exchange.reply or "")).groupindex)
