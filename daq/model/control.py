"""`control-profile/1`: how one model of instrument is asked and told: values, actions, what it is able to do.

What an instrument says is text: requests are templates, replies are patterns. Protocols of bytes are made text by a
codec (`framing.codec`), so that a profile reads alike for a supply on a serial line and a register board on UDP.
What the sections must obey together is in `daq.model.control_rules`.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field, NonNegativeFloat, PositiveFloat, PositiveInt

from daq.model.controlroles import Roles
from daq.model.layout import Name, Strict
from daq.model.units import why_unknown

CONTROL_SCHEMA = "control-profile/1"

Identifier = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
Text = Annotated[str, Field(min_length=1, max_length=2000)]
Hazard = Literal["safe", "neutral", "energising", "moving"]
"""`safe`: lowers energy or stops. `energising`: raises energy. `moving`: begins a movement. `neutral`: none of them."""
TransportKind = Literal["serial", "tcp", "udp", "visa"]
CODECS = ("lines", "stx", "tmcl", "modbus-tcp", "ipbus-udp", "ipbus-tcp", "rbcp")
HOOK = "hook:"
"""Before the name of a codec that another package brings: an entry point of the group `scandaq.codecs`."""
ValueType = Literal["number", "integer", "mantissa", "flags", "choice", "text"]


def _pattern(text: str) -> str:
    try:
        re.compile(_without_fields(text))
    except re.error as why:
        msg = f"not a regular expression: {why}"
        raise ValueError(msg) from None
    return text


def _without_fields(text: str) -> str:
    """Return a pattern with its `{fields}` replaced, as it is compiled later; `{2,3}` stays what it means."""
    return re.sub(r"\{[a-z_]+\}", "x", text)


def _unit(text: str) -> str:
    why = why_unknown(text)
    if why is not None:
        raise ValueError(why)
    return text


def _codec(text: str) -> str:
    if text not in CODECS and not re.fullmatch(HOOK + "[a-z][a-z0-9-]{0,62}", text):
        msg = f"is none of {', '.join(CODECS)}, nor {HOOK}NAME of an installed package"
        raise ValueError(msg)
    return text


Codec = Annotated[str, AfterValidator(_codec)]
Pattern = Annotated[str, AfterValidator(_pattern)]
Unit = Annotated[str, AfterValidator(_unit)]


class SerialLine(Strict):
    """How a serial line is set. A pseudo-terminal has no speed and carries 8N1 alone."""

    baud: PositiveInt
    bits: Literal[5, 6, 7, 8] = 8
    parity: Literal["none", "even", "odd"] = "none"
    stop: Literal[1, 2] = 1
    flow: Literal["none", "xon-xoff", "rts-cts"] = "none"


class ControlTransport(Strict):
    """What carries the conversation. Where the instrument is stands in the site file."""

    kinds: Annotated[tuple[TransportKind, ...], Field(min_length=1)]
    serial: SerialLine | None = None
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """Usual port of tcp or udp."""
    unproven: tuple[TransportKind, ...] = ()
    """Those that were never tried, for want of the hardware."""


class Framing(Strict):
    """What is put around requests, and taken from around replies."""

    codec: Codec = "lines"
    write_end: str = "\r\n"
    read_end: Annotated[str, Field(min_length=1)] = "\r\n"
    more: str = ""
    """A reply goes on in the next line where a line ends with this, e.g. a space."""
    echo: Literal["none", "line", "character", "maybe"] = "none"
    """What the instrument sends back of a request before its reply. An echo proves that it heard what was said.

    `maybe`: some wires of it do, some do not; then it proves nothing.
    """
    checksum: Literal["none", "lrc"] = "none"
    """`lrc`: `:XX` before the end, the two's complement of the sum of what comes after the first character."""
    blank: Literal["reply", "nothing"] = "reply"
    """`nothing`: empty lines mean nothing wherever they come, as where some firmware acknowledges with one."""
    tag: bool = False
    """Requests and replies bear `{tag}`, two digits that change with every request: a late reply is known for one."""
    min_gap_ms: NonNegativeFloat = 0.0
    """Rest between a reply and the next request."""
    longest_reply: Annotated[int, Field(ge=1, le=65536)] = 1024
    """Characters; what is longer is nonsense."""


class Conversation(Strict):
    """How long to wait, what to do when a reply does not come, how to be sure again."""

    reply_s: Annotated[float, Field(gt=0, le=60)] = 0.5
    """A reply that is not there by then is lost, or late: from then on nothing that comes is believed."""
    late_s: Annotated[float, Field(gt=0, le=60)] = 1.0
    """No reply comes later than this. After a lost reply the line must be silent for so long."""
    read_retries: Annotated[int, Field(ge=0, le=5)] = 1
    """How often what reads is asked once more. What sets is never said twice."""
    resync: Literal["drain", "reopen"] = "drain"
    """After a lost reply: listen until the line is silent, or open it anew; then the instrument says who it is."""
    clear: str = ""
    """Said first when resynchronising, e.g. an end of line that ends half a request."""
    resend_s: Annotated[float, Field(gt=0, le=60)] | None = None
    """Of protocols of datagrams: what may be said twice is said again after so long; None: as the protocol has it."""
    under_way: Annotated[int, Field(ge=1, le=64)] | None = None
    """Of protocols of datagrams: so many requests at once, where a board takes several. None: as it says, or 1."""
    watchdog_s: PositiveFloat | None = None
    """The instrument acts by itself, e.g. stops, when nobody asks it for so long; see `Watchdog`."""


class Exchange(Strict):
    """One request and its reply. `{channel}`, `{value}` and the site's variables stand in braces in both."""

    send: Annotated[str, Field(min_length=1, max_length=500)]
    reply: Pattern | None = None
    """What the whole reply matches; `""` an empty line, None: it says nothing. The group `value` is what it says."""
    raw: bool = False
    """Sent as it is, without the end of a line."""
    reply_s: Annotated[float, Field(gt=0, le=60)] | None = None
    """In place of `conversation.reply_s`."""
    rest_ms: NonNegativeFloat | None = None
    """Rest after it, in place of `framing.min_gap_ms`."""


class Trouble(Strict):
    """A reply that says no: what it means, and whether asking again may help."""

    reply: Pattern
    kind: Literal["refused", "limit", "local", "busy", "fault"]
    text: Text
    """A sentence for the operator, which says what to do."""


class Identity(Strict):
    """How the instrument says who it is. Groups `vendor`, `model`, `serial`, `firmware` of the replies."""

    ask: Annotated[tuple[Exchange, ...], Field(min_length=1)]
    models: Pattern
    """What `model` matches as a whole; anything else is another instrument."""
    vendor: str = ""
    """Where it does not say."""
    model: str = ""
    """Where it does not say: what understands its protocol is taken for it."""
    without_serial: bool = False
    """It cannot say its serial number: another one in its place goes unseen, which the operator should know."""


class Readback(Strict):
    """How a value that was set is proven: `value` says within `within_s` what was set, give or take `tolerance`."""

    value: Name | None = None
    """None: the value itself."""
    tolerance: NonNegativeFloat = 0.0
    within_s: PositiveFloat = 2.0


class Limits(Strict):
    """In the value's unit. `hard`: never beyond; `warn` and `alarm`: what a reading should not leave."""

    hard: tuple[float, float] | None = None
    warn: tuple[float, float] | None = None
    alarm: tuple[float, float] | None = None
    hysteresis: NonNegativeFloat | None = None
    """What was beyond a limit is within it once it is so far inside; None: the value's deadband."""
    priority: Literal["low", "medium", "high"] = "medium"
    """Of the alarm: how soon somebody must act, in the words of IEC 60601-1-8. That of a warning is always low."""
    guidance: str = ""
    """What an operator should do when an alarm rings."""


class ControlValue(Strict):
    """Something that can be read, or set, or both. `value = raw * scale + offset`, in `unit`."""

    of: Literal["device", "channel"] = "device"
    type: ValueType
    unit: Unit | None = None
    """Required for numbers; `"1"` for a pure one."""
    get: Exchange | None = None
    all: Exchange | None = None
    """Reads all channels at once: the group `value` holds them in the order of `channels`, apart by `apart`."""
    apart: Annotated[str, Field(min_length=1)] = ";"
    set: Exchange | None = None
    then: tuple[Exchange, ...] = ()
    """Said after `set`, where the instrument needs to be told to begin with what was set."""
    scale: float = 1.0
    offset: float = 0.0
    set_scale: float | None = None
    """In place of `scale` when it is set, where it is set in another unit than it reads."""
    decimals: Annotated[int, Field(ge=0, le=9)] = 3
    """Of a number that is set."""
    digits: Annotated[int, Field(ge=0, le=16)] = 0
    """Of an integer that is set: with leading zeros up to so many."""
    base: Literal[10, 16] = 10
    """Of integers, flags and choices."""
    flags: dict[Name, Annotated[int, Field(ge=0, le=63)]] = Field(default_factory=dict)
    """Names of the bits."""
    choices: dict[Name, str] = Field(default_factory=dict)
    """Names of what it may say."""
    means_yes: tuple[str | int, ...] = ()
    """Choices, or integers, that mean yes where a role asks yes or no."""
    magnitude: bool = False
    """The sign says the polarity, not the amount: it is dropped."""
    limits: Limits = Limits()
    readback: Readback | None = None
    hazard: Hazard = "neutral"
    """Of setting it."""
    poll_s: PositiveFloat | None = None
    """How often it is read; None: only when somebody asks."""
    stale_s: PositiveFloat | None = None
    """Older is not current any more; by default five times `poll_s`."""
    deadband: NonNegativeFloat = 0.0
    meaning: str = ""


class Confirm(Strict):
    """The proof of an action: `value`, or `value.flag`, reads `reads` within `within_s`."""

    value: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)?$")]
    reads: bool | float | str
    within_s: PositiveFloat = 2.0


class Action(Strict):
    """Something it does when told. An acknowledgement is no proof; `confirm` is."""

    of: Literal["device", "channel"] = "device"
    send: Annotated[tuple[Exchange, ...], Field(min_length=1)]
    hazard: Hazard
    confirm: Confirm | None = None
    meaning: str = ""


class Register(Strict):
    """One register of a board, or a field of one: `mask` says which bits. Several `words` follow on one another."""

    address: Annotated[int, Field(ge=0, lt=1 << 32)]
    """Of a word of 32 bits; of RBCP, of a byte."""
    words: PositiveInt = 1
    bits: Literal[8, 16, 24, 32] = 32
    """Of one word. Of RBCP it has so many eighths of addresses."""
    order: Literal["big", "little"] = "big"
    """Of the bytes of a word of RBCP."""
    access: Literal["read", "write", "read-write"] = "read-write"
    mask: Annotated[int, Field(ge=0, lt=1 << 32)] = 0xFFFF_FFFF
    fifo: bool = False
    """Reading takes from a queue; several words come of one address."""
    read_clears: bool = False
    """Reading changes it: nothing reads it in passing."""
    write_one_clears: bool = False
    """A bit that is written as 1 becomes 0, one that is written as 0 stays as it is."""
    volatile: bool = False
    """It changes by itself: read-back proves nothing."""
    hazard: Hazard = "neutral"
    unit: Unit | None = None
    scale: float = 1.0
    offset: float = 0.0
    reset: int | None = None
    """What it holds after a reset, for whoever reads the profile."""
    meaning: str = ""


class SafeState(Strict):
    """What is said, and what must then be read, when the instrument has to be safe."""

    actions: Annotated[tuple[Name, ...], Field(min_length=1)]
    value: Name
    below: float
    within_s: PositiveFloat


class StartUp(Strict):
    """What is said when a conversation begins, after it has said who it is. Nothing else is ever written then."""

    actions: tuple[Name, ...] = ()
    """Neutral or safe ones; none of them energises or moves."""


class Watchdog(Strict):
    """How the watchdog of `conversation.watchdog_s` is fed, every third of that time while the program lives."""

    heartbeat: Name | None = None
    """An action, in which `{beat}` is a number that changes each time; None: whatever is asked feeds it."""
    arm: Name | None = None
    """An action said when a conversation begins; None: it is always armed."""
    disarm: Name | None = None
    """An action said when the program ends in order, after everything that moves was stopped."""
    tripped: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)?$")] | None = None
    """The value, or `value.flag`, that means yes after it has acted."""


class ControlProfile(Strict):
    """One model of instrument. `model_dump(mode="json")` has the keys of the TOML file and reads back unchanged."""

    model_config = ConfigDict(serialize_by_alias=True)

    schema_id: Literal["control-profile/1"] = Field(alias="schema")
    id: Identifier
    title: Text
    vendor: Text
    models: Annotated[tuple[Text, ...], Field(min_length=1)]
    firmware: str = ""
    """Which versions the profile is for."""
    source: Text
    """The document with revision and date."""
    verified: Literal["simulated", "hardware"]
    verified_on: str = ""
    notes: Text | None = None
    transport: ControlTransport
    framing: Framing = Framing()
    conversation: Conversation = Conversation()
    variables: dict[Name, str] = Field(default_factory=dict)
    """What a site may say otherwise, e.g. the address of a board on a bus, with the usual value."""
    troubles: tuple[Trouble, ...] = ()
    identity: Identity
    channels: tuple[Annotated[str, Field(pattern=r"^[A-Za-z0-9]{1,16}$")], ...] = ()
    values: dict[Name, ControlValue] = Field(default_factory=dict)
    actions: dict[Name, Action] = Field(default_factory=dict)
    registers: dict[Name, Register] = Field(default_factory=dict)
    safe_state: SafeState | None = None
    start_up: StartUp = StartUp()
    watchdog: Watchdog | None = None
    roles: Roles = Roles()
