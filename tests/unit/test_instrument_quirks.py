"""What some instruments do and others do not: empty lines that mean nothing, rests, programs that stand still."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support_conversation import Clock, SpoiltWire

from daq.devices.instruments.instrument import Instrument
from daq.devices.instruments.observed import ProfiledInterlocks
from daq.devices.instruments.session import Session
from daq.devices.instruments.wire import Wire
from daq.devices.instruments.words import pattern_of
from daq.errors import ReadbackError, ScandaqError, UnreachableError, VerificationError, WireError
from daq.model import control_rules
from daq.model.control import ControlProfile, Framing
from daq.wire.control.codecs import codec_of
from daq.wire.control.lines import LinesCodec
from device_profiles.control import load_control
from simulators.instruments.julabo import Julabo
from simulators.instruments.machine import Talk
from simulators.instruments.plc import InterlockPlc
from simulators.instruments.pulser import Pulser

PLC = load_control("modbus-plc")
JULABO = load_control("julabo")


class MachineWire(SpoiltWire):
    """A wire to a simulated machine in the test's own time. `said_s`: when each request was said."""

    def __init__(self, clock: Clock, talk: Talk, spoils: Iterator[str]) -> None:
        super().__init__(clock, spoils)
        self.said: list[tuple[float, bytes]] = []
        self._talk = talk

    async def write(self, data: bytes, within_s: float) -> None:
        del within_s
        if not self.is_open:
            raise UnreachableError("closed")
        self.said.append((self._clock.now_s, data))
        for reply in self._talk.feed(data):
            how = next(self._spoils, "good")
            self._spoil(reply, "good" if how == "doubled-soon" else how)
            if how == "doubled-soon":  # while the next reply is waited for
                self._coming.append((self._coming[-1][0] + 0.05, reply))


def on(
    machine_talk: Talk, profile: ControlProfile, clock: Clock, spoils: Iterator[str]
) -> tuple[Instrument, MachineWire]:
    wire = MachineWire(clock, machine_talk, spoils)
    return Instrument(Session("it", profile, wire, codec_of(profile), clock=clock, sleep=clock.sleep)), wire


@pytest.mark.parametrize("acknowledges", [False, True])
async def test_empty_lines_mean_nothing_where_the_profile_says_so(acknowledges: bool) -> None:
    clock = Clock()
    bath = Julabo(clock=clock)
    bath.blank = acknowledges
    it, wire = on(bath.talk(), JULABO, clock, iter(()))
    for celsius in (11.0, 12.5, 30.0):
        await it.set("setpoint", celsius)
        assert await it.read("setpoint") == celsius
    assert (it.session.tally.strays, it.session.tally.resyncs) == (0, 1)

    times = [(at_s, data) for at_s, data in wire.said if data.startswith(b"OUT")]
    after = [min(at_s for at_s, _ in wire.said if at_s > set_s) - set_s for set_s, _ in times]
    assert all(rest_s >= 0.25 for rest_s in after)


def test_an_empty_line_is_a_reply_elsewhere() -> None:
    codec = LinesCodec(load_control("caen-n1470").framing)
    codec.begin("x")
    assert codec.feed(b"\r\n") == [""]
    codec = LinesCodec(JULABO.framing)
    codec.begin("x")
    assert codec.feed(b"\r\n\n 21.5\r\n\r\n") == [" 21.5\r"]
    assert not codec.halfway


@pytest.mark.parametrize("line", [b" \n", b"1 \n"])
def test_a_reply_that_always_goes_on_ends_as_nonsense(line: bytes) -> None:
    codec = LinesCodec(Framing(read_end="\n", more=" ", longest_reply=100))
    codec.begin("HPV?")
    with pytest.raises(WireError, match="more than 100 characters in parts"):
        codec.feed(line * 101)
    codec.begin("HPV?")
    assert codec.feed(line * 2 + b"2\n") == ["\n".join([line.decode()[:-2]] * 2 + ["2"])]
    assert codec.feed(line * 40 + b"3\n") != []


async def test_contacts_of_a_program_that_stands_still_are_not_believed() -> None:
    clock = Clock()
    plc = InterlockPlc(clock=clock)
    it, _ = on(plc.talk(), PLC, clock, iter(()))
    for channel in ("", "1"):
        contacts = ProfiledInterlocks("room", it, channel)
        for _ in range(3):
            clock.now_s += 0.4
            plc.scan()
            assert all(await contacts.interlocks()) or not channel
        clock.now_s += 0.4
        await contacts.interlocks()
        clock.now_s += 0.4
        with pytest.raises(VerificationError, match="its program stands still: cycles has read"):
            await contacts.interlocks()
        with pytest.raises(VerificationError, match="nothing it says is current"):
            await contacts.read_timed("head_contacts" if channel else "contacts")
        plc.scan()
        await contacts.interlocks()


async def test_a_watchdog_is_armed_only_with_its_time_and_again_after_its_controller_forgot_it() -> None:
    clock = Clock()
    plc = InterlockPlc(clock=clock)
    it, _ = on(plc.talk(), PLC, clock, iter(()))
    plc.timeout_10ms, plc.obeys = 6000, False
    with pytest.raises(ReadbackError, match=r"set_time was said, but watchdog_time reads 60\.0, not 1\.0"):
        await it.beat(0.3)
    assert not plc.armed
    plc.obeys = True
    await it.beat(0.3)
    assert (plc.armed, plc.timeout_10ms) == (True, 100)
    plc.deeds()["reboot"]({})
    assert not plc.armed
    clock.now_s += 1.0
    await it.beat(0.3)
    assert plc.armed
    await it.disarm()
    assert not plc.armed


class CountingTables:
    """A Modbus device whose every register says a number that it never said before; `meant`: what it was asked."""

    def __init__(self, clock: Clock) -> None:
        self.meant: dict[int, tuple[int, float]] = {}
        self._clock, self._told = clock, 0

    def feed(self, data: bytes) -> list[bytes]:
        head, function, (address, count) = data[:7], data[7], struct.unpack(">HH", data[8:12])
        if (function, address) == (4, 0):
            said = b"SCANDAQ-ILK".ljust(16, b"\0")
        elif function == 4 and address < 100:
            said = struct.pack(">I", 815)[-2 * count :]
        elif function != 4:
            return [head + data[7:12]]
        else:
            self._told += 1
            self.meant[self._told] = (address, self._clock.now_s)
            said = struct.pack(">h", self._told)
        body = bytes([function, len(said)]) + said
        return [head[:4] + struct.pack(">HB", 1 + len(body), head[6]) + body]


SPOILS = ("good", "doubled-soon", "late", "missing", "doubled", "doubled-late", "cut-short", "stray", "hang-up")
WANTED = st.tuples(st.sampled_from(["head_temperature", "collimator"]), st.sampled_from("1234"))


@settings(max_examples=120, deadline=None)
@given(st.lists(st.sampled_from(SPOILS), max_size=40), st.lists(WANTED, min_size=1, max_size=20))
def test_a_frame_is_believed_only_as_the_reply_to_what_was_asked_last(
    spoils: list[str], wanted: list[tuple[str, str]]
) -> None:
    async def read() -> None:
        clock = Clock()
        tables = CountingTables(clock)
        it, _ = on(tables, PLC, clock, iter(["good"] * 4 + spoils))
        for name, channel in wanted:
            asked_s = clock.now_s
            try:
                found = await it.read(name, channel)
            except ScandaqError:
                clock.now_s += 1.0
                continue
            assert isinstance(found, int | float)
            address, told_s = tables.meant[round(found * (10 if name == "head_temperature" else 1))]
            assert address == 100 + 10 * int(channel) + (name == "collimator")
            assert told_s >= asked_s

    asyncio.run(read())


LATE = st.sampled_from(["good", "doubled-soon", "late", "missing", "doubled"])
EITHER = st.tuples(st.integers(0, 1), st.sampled_from(["head_temperature", "collimator"]), st.sampled_from("1234"))


@settings(max_examples=40, deadline=None)
@given(st.lists(LATE, max_size=20), st.lists(EITHER, min_size=1, max_size=20))
def test_a_late_frame_is_not_taken_for_the_reply_to_another_conversation(
    spoils: list[str], wanted: list[tuple[int, str, str]]
) -> None:
    async def read() -> None:
        clock = Clock()
        tables = CountingTables(clock)
        link = MachineWire(clock, tables, iter(["good"] * 6 + spoils))
        wire = Wire(link, clock=clock)
        both = [
            Instrument(Session(name, PLC, wire, codec_of(PLC), clock=clock, sleep=clock.sleep))
            for name in ("it", "other")
        ]
        for who, name, channel in wanted:
            asked_s = clock.now_s
            try:
                found = await both[who].read(name, channel)
            except ScandaqError:
                clock.now_s += 0.1
                continue
            assert isinstance(found, int | float)
            address, told_s = tables.meant[round(found * (10 if name == "head_temperature" else 1))]
            assert address == 100 + 10 * int(channel) + (name == "collimator")
            assert told_s >= asked_s
        numbers = [data[:2] for _, data in link.said]
        assert len(set(numbers)) == len(numbers)

    asyncio.run(read())


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        ("*IDN?", "BNC,575-4,31309,2.4.1-1.0.9"), (":PULS0:PER 0.002", "ok"), (":pulse0:period?", "0.001000000"),
        ("PULSE0:STATE 1", "?1"), (":PULSE9:STATE 1", "?3"), (":PULSE1:WIDTH", "?4"), (":PULSE1:WIDT 0", "?5"),
        (":PULSE1:POL INVerted", "ok"), (":PULSE1:STATE maybe", "?5"), ("*IDN 1", "?6"), (":PULSE2?", "0"),
    ],
)  # fmt: skip
def test_a_pulser_says_ok_or_what_is_wrong(line: str, reply: str) -> None:
    assert Pulser(clock=Clock()).answer(line) == reply


def test_a_serial_number_that_is_not_there_is_said_and_not_both() -> None:
    told = JULABO.model_copy(update={"identity": JULABO.identity.model_copy(update={"without_serial": False})})
    assert ["another one in its place" in str(each) for each in control_rules.identity(told)] == [True]
    both = PLC.model_copy(update={"identity": PLC.identity.model_copy(update={"without_serial": True})})
    assert ["a reply has the group `serial`" in str(each) for each in control_rules.identity(both)] == [True]


@pytest.mark.parametrize("device", ["2", "02", "12"])
def test_what_one_controller_of_a_chain_says_is_no_reply_to_another(device: str) -> None:
    zaber = load_control("zaber-ascii")
    fields = {"device": device, "channel": "1", "tag": "07"}
    for name in ("position", "velocity"):
        get = zaber.values[name].get
        assert get is not None
        pattern = pattern_of(get.reply or "", fields)
        assert pattern.fullmatch(f"@{device:0>2} 1 07 OK IDLE -- 12800")
        assert pattern.fullmatch("@01 1 07 OK IDLE -- 12800") is None
    (*_, trouble) = zaber.troubles
    assert pattern_of(trouble.reply, fields).fullmatch("@01 1 07 RJ IDLE -- BADCOMMAND") is None
