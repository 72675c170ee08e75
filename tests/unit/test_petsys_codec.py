"""Datagrams, commands and frames of the PETsys front end: the bytes of the vendor's own host, and there and back again.

The fixed vectors were made by running the functions of `sw_daq_tofpet2` 194662e (`daqd.py`, `spi.py`, `tofpet2c.py`)
with serial number 0x1234.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daq.errors import WireError
from daq.model import tofpet2 as t
from daq.wire import petsys as p
from daq.wire import petsys_asic as asic
from daq.wire import petsys_config as c

SERIAL = "3412" + "00" * 14
GLOBAL = int(
    "0000001011100101111101011000001111001011011111101001000100100010101110110110000001011111001001001110111011111000"
    "100000100000010111101111111001111111011000010011110000001101000000010110",
    2,
)
CHANNEL = int(
    "10100100100000100000000000011100000011010111010011101111010101111101000010001001000100111101010100101010111100000000"
    "000000000",
    2,
)
u64 = st.integers(0, (1 << 64) - 1)


@pytest.mark.parametrize(
    ("function", "payload", "vendor"),
    [
        (0, c.encode_register(c.RegisterRead(c.Register.PROTOCOL, 8)), "000700f8ff"),
        (0, c.encode_register(c.RegisterRead(c.Register.TIME_TAG, 6)), "0005000302"),
        (0, c.encode_register(c.RegisterWrite(c.Register.SYNC, b"\x01")), "010000010201"),
        (
            0,
            c.encode_register(c.RegisterWrite(c.Register.ASIC_ENABLE, 0xFFFF0000FFFF0001.to_bytes(8, "little"))),
            "01070018030100ffff0000ffff",
        ),
        (1, c.encode_asic(c.AsicCommand(0x0102, c.AsicCode.READ_GLOBAL)), "010204b890"),
        (
            1,
            c.encode_asic(c.AsicCommand(0x0102, c.AsicCode.WRITE_GLOBAL, value=GLOBAL)),
            "0102bc00802e5f583cb7e9122bb605f24eef88205efe7f613c0d016000",
        ),
        (1, c.encode_asic(c.AsicCommand(0x0102, c.AsicCode.READ_CHANNEL, 37)), "01020b7d14a0"),
        (
            1,
            c.encode_asic(c.AsicCommand(0x0102, c.AsicCode.WRITE_CHANNEL, 37, CHANNEL)),
            "0102880004b490400381ae9deafa11227aa55e00000000",
        ),
        (
            2,
            c.encode_spi(
                c.SpiCommand(
                    0x0203, 48, (16, 32), (15, 33), (0, 48), (16, 32), bytes.fromhex("ffff1234ffff"), miso_falling=True
                )
            ),
            "8102033000100020000f0021000000300010002000ffff1234ffff",
        ),
        (3, c.encode_i2c(c.I2cCommand(0x0105, b"\x0f\x0d\x0c")), "01050f0d0c"),
    ],
)
def test_commands_are_those_of_the_vendors_host(function: int, payload: bytes, vendor: str) -> None:
    assert payload.hex() == vendor
    datagram = p.encode_command(p.Command(0x1234, function, payload))
    assert datagram.hex() == SERIAL + f"{function:02x}" + vendor
    assert p.decode_command(datagram) == p.Command(0x1234, function, payload)


@pytest.mark.parametrize(
    ("fields", "config", "some"),
    [
        (
            asic.GLOBAL_FIELDS["2C"],
            GLOBAL,
            {"tx_nlinks": 2, "tdc_clk_div": 1, "v_ref_diff_bias_ig": 57, "tdc_comp_bias": 4, "fe_ib2": 0,
             "main_global_dac": 23, "tdc_global_dac": 19, "disc_lsb_e": 40, "adebug_buffer": 1},
        ),
        (
            asic.GLOBAL_FIELDS["2B"],
            asic.GLOBAL_AFTER_RESET_2B,
            {"fe_ib2": 44, "v_cal_tp_top": 31, "disc_sf_bias": 35, "tdc_global_dac": 52, "disc_lsb_t2": 45},
        ),
        (
            asic.CHANNEL_FIELDS["2C"],
            CHANNEL,
            {"vth_t1": 21, "vth_t2": 47, "vth_e": 19, "baseline_t": 61, "baseline_e": 7, "fe_delay": 14, "qdc_mode": 1,
             "min_intg_time": 34, "tac_max_age": 30, "att": 1, "hysteresis_en_n": 1, "trigger_mode_2_b": 5},
        ),
    ],
)  # fmt: skip
def test_fields_of_the_asic_have_the_values_that_the_vendors_library_reads(
    fields: dict[str, asic.Places], config: int, some: dict[str, int]
) -> None:
    assert {name: asic.read_field(config, fields[name]) for name in some} == some


@pytest.mark.parametrize(
    ("fields", "bits"),
    [
        *((fields, c.GLOBAL_CONFIG_BITS) for fields in asic.GLOBAL_FIELDS.values()),
        *((fields, c.CHANNEL_CONFIG_BITS) for fields in asic.CHANNEL_FIELDS.values()),
    ],
)
def test_no_two_fields_of_the_asic_share_a_bit(fields: dict[str, asic.Places], bits: int) -> None:
    places = [place for field in fields.values() for place in field]
    assert len(set(places)) == len(places)
    assert max(places) < bits


@given(config=st.integers(0, (1 << 125) - 1), name=st.sampled_from(sorted(asic.CHANNEL_FIELDS["2C"])), data=st.data())
def test_a_field_reads_back_what_was_set_and_leaves_the_others_alone(
    config: int, name: str, data: st.DataObject
) -> None:
    fields = asic.CHANNEL_FIELDS["2C"]
    value = data.draw(st.integers(0, (1 << len(fields[name])) - 1))
    changed = asic.with_field(config, fields[name], value)
    assert asic.read_field(changed, fields[name]) == value
    assert changed & ~sum(1 << k for k in fields[name]) == config & ~sum(1 << k for k in fields[name])
    with pytest.raises(WireError, match="does not fit"):
        asic.with_field(config, fields[name], 1 << len(fields[name]))


def test_revisions_are_told_by_what_an_asic_holds_after_its_reset() -> None:
    assert asic.revision_of(asic.GLOBAL_AFTER_RESET_2B) == "2B"
    assert asic.revision_of(asic.GLOBAL_AFTER_RESET_2C) == "2C"
    assert asic.revision_of(asic.GLOBAL_AFTER_RESET_2C ^ 1) is None


def test_the_hello_is_22_bytes_of_ff() -> None:
    assert bytes([0xFF] * 22) == p.HELLO
    assert p.is_hello(p.HELLO)
    assert not p.is_hello(p.HELLO[1:])


@pytest.mark.parametrize(
    ("datagram", "kind"),
    [(b"\xa5" + bytes(16), p.Kind.DATA), (b"\x5a" + bytes(18), p.Kind.REPLY), (b"\xff", p.Kind.UNKNOWN),
     (b"", p.Kind.UNKNOWN)],
)  # fmt: skip
def test_the_first_byte_tells_data_from_replies(datagram: bytes, kind: p.Kind) -> None:
    assert p.kind_of(datagram) is kind


@given(st.integers(0, p.MAX_SERIAL), st.integers(0, 255), st.binary(max_size=64))
def test_replies_come_back_as_they_were(serial: int, function: int, payload: bytes) -> None:
    reply = p.Reply(serial, function, payload)
    assert p.decode_reply(p.encode_reply(reply)) == reply


@pytest.mark.parametrize("datagram", [b"", b"\xa5" * 20, b"\x5a" * 17])
def test_what_is_no_reply_is_refused(datagram: bytes) -> None:
    with pytest.raises(WireError, match=r"reply|command"):
        p.decode_reply(datagram)


def test_a_serial_number_of_more_than_16_bytes_is_refused() -> None:
    with pytest.raises(WireError, match="serial"):
        p.encode_command(p.Command(1 << 128, 0, b""))


@given(st.integers(0, 0xFFFF), st.one_of(st.integers(1, 0x10000), st.binary(min_size=1, max_size=32)))
def test_register_commands_come_back_as_they_were(address: int, what: int | bytes) -> None:
    command = c.RegisterRead(address, what) if isinstance(what, int) else c.RegisterWrite(address, what)
    assert c.decode_register(c.encode_register(command)) == command


@pytest.mark.parametrize("payload", ["", "0007", "02070000", "0207000000", "000000000001", "0101000000ff"])
def test_register_commands_that_contradict_themselves_are_refused(payload: str) -> None:
    with pytest.raises(WireError, match="registers"):
        c.decode_register(bytes.fromhex(payload))


def test_a_reply_to_a_read_has_a_byte_before_and_after_the_data() -> None:
    data = c.PROTOCOL_VERSION.to_bytes(8, "little")
    assert c.decode_register_data(c.encode_register_data(data), 8) == data
    with pytest.raises(WireError, match="8 bytes; 8 read ones need 10"):
        c.decode_register_data(data, 8)


def test_a_write_is_answered_with_one_zero() -> None:
    c.check_written(c.REGISTER_WRITTEN)
    for reply in (b"", b"\x01", b"\0\0"):
        with pytest.raises(WireError, match="not with 00"):
            c.check_written(reply)


@given(st.sampled_from(c.AsicCode), st.integers(0, 0xFFFF), st.integers(0, 63), st.data())
def test_asic_commands_come_back_as_they_were(code: c.AsicCode, spi: int, channel: int, data: st.DataObject) -> None:
    value = None if code.is_read else data.draw(st.integers(0, (1 << code.bits) - 1))
    command = c.AsicCommand(spi, code, channel if code.is_channel else None, value)
    assert c.decode_asic(c.encode_asic(command)) == command


@given(st.sampled_from(c.AsicCode), st.data())
def test_asic_replies_bring_the_configuration_highest_bit_first(code: c.AsicCode, data: st.DataObject) -> None:
    value = data.draw(st.integers(0, (1 << code.bits) - 1))
    reply = c.encode_asic_reply(code, c.AsicStatus.OK, value)
    assert c.decode_asic_reply(code, reply) == (value if code.is_read else None)
    bits = "".join(f"{byte:08b}" for byte in reply[1:])[: code.bits]
    assert bits == (f"{value:0{code.bits}b}" if code.is_read else "")


@pytest.mark.parametrize(
    ("status", "said"), [(0xE3, "bad acknowledge"), (0xE4, "bad checksum"), (0xE5, "stuck"), (0x77, "unknown")]
)
def test_an_asic_says_what_it_complains_of(status: int, said: str) -> None:
    with pytest.raises(WireError, match=f"0x{status:02X}, {said}"):
        c.decode_asic_reply(c.AsicCode.READ_GLOBAL, c.encode_asic_reply(c.AsicCode.READ_GLOBAL, status))


@pytest.mark.parametrize("payload", ["", "010204", "0102040090", "010204b8b0", "0102050000", "0102ff0000"])
def test_asic_commands_that_contradict_themselves_are_refused(payload: str) -> None:
    with pytest.raises(WireError, match="ASIC"):
        c.decode_asic(bytes.fromhex(payload))


def test_an_asic_command_without_what_it_needs_is_refused() -> None:
    for command in (
        c.AsicCommand(0, c.AsicCode.READ_CHANNEL), c.AsicCommand(0, c.AsicCode.WRITE_GLOBAL),
        c.AsicCommand(0, c.AsicCode.READ_GLOBAL, value=1), c.AsicCommand(0, c.AsicCode.READ_CHANNEL, 64),
        c.AsicCommand(0, c.AsicCode.WRITE_GLOBAL, value=1 << 184),
    ):  # fmt: skip
        with pytest.raises(WireError, match="ASIC"):
            c.encode_asic(command)


pairs = st.tuples(st.integers(0, 0xFFFF), st.integers(0, 0xFFFF))


@given(
    st.builds(
        c.SpiCommand, st.integers(0, 0xFFFF), st.integers(0, 0xFFFF), pairs, pairs, pairs, pairs,
        st.binary(min_size=1, max_size=16), st.integers(0, 0x3F), miso_falling=st.booleans(),
        mosi_falling=st.booleans(),
    )
)  # fmt: skip
def test_spi_commands_come_back_as_they_were(command: c.SpiCommand) -> None:
    assert c.decode_spi(c.encode_spi(command)) == command


@given(st.integers(0, 0xFFFF), st.binary(max_size=64))
def test_i2c_commands_come_back_as_they_were(bus: int, steps: bytes) -> None:
    assert c.decode_i2c(c.encode_i2c(c.I2cCommand(bus, steps))) == c.I2cCommand(bus, steps)


def test_a_frame_has_the_bits_of_the_vendors_description() -> None:
    event = p.Event(*(np.array([v]) for v in (t.channel_id(3, 4, 5, 6), 2, 700, 710, 300, 20)))
    frame = p.Frame(0xABCDEF012, p.encode_events(event), 3, 4, lost=2, kind=1)
    first, second, word = (int(w) for w in p.encode_frame(frame))
    assert first == 0xABCDEF012 | 3 << 36 | 1 << 51 | 4 << 54 | 3 << 59
    assert second == 1 | 2 << 15
    channel = 6 | 5 << 6 | 4 << 12 | 3 << 17
    assert word == (1024 + 20 - 27) | (300 - 27) << 10 | 710 << 20 | 700 << 30 | 2 << 40 | channel << 42


def frames_drawn() -> st.SearchStrategy[p.Frame]:
    return st.builds(
        p.Frame, st.integers(0, t.FRAME_ID_MASK), st.lists(u64, max_size=6).map(lambda w: np.array(w, np.uint64)),
        st.integers(0, 31), st.integers(0, 31), st.integers(0, 3), st.integers(0, 7),
    )  # fmt: skip


def plain(frame: p.Frame) -> tuple[object, ...]:
    return frame.frame_id, frame.events.tolist(), frame.port, frame.slave, frame.lost, frame.kind


@given(st.lists(frames_drawn(), max_size=5))
def test_data_come_back_as_they_were(frames: list[p.Frame]) -> None:
    back, damage = p.decode_data(p.encode_data(frames))
    assert damage is None
    assert [plain(frame) for frame in back] == [plain(frame) for frame in frames]


@given(st.lists(frames_drawn(), min_size=1, max_size=4), st.integers(0, 200))
def test_a_datagram_that_is_cut_gives_the_whole_frames_before(frames: list[p.Frame], cut: int) -> None:
    whole = p.encode_data(frames)
    back, damage = p.decode_data(whole[: max(1, len(whole) - cut)])
    ends = np.cumsum([0] + [16 + 8 * len(frame.events) for frame in frames])
    kept = int(np.searchsorted(ends, max(1, len(whole) - cut) - 1, "right")) - 1
    assert [plain(frame) for frame in back] == [plain(frame) for frame in frames[:kept]]
    assert (damage is p.Damage.TRUNCATED) == (ends[kept] != max(1, len(whole) - cut) - 1)


def test_a_frame_that_lies_about_its_events_ends_what_is_believed() -> None:
    lying = p.encode_frame(p.Frame(8, np.zeros(3, np.uint64)))
    lying[1] = 2
    good = p.encode_frame(p.Frame(7))
    back, damage = p.decode_data(b"\xa5" + good.tobytes() + lying.tobytes() + good.tobytes())
    assert [frame.frame_id for frame in back] == [7]
    assert damage is p.Damage.SIZE


@given(st.lists(st.integers(0, 300), min_size=1, max_size=30))
def test_datagrams_are_full_but_never_split_a_frame(counts: list[int]) -> None:
    frames = [p.Frame(k, np.arange(count, dtype=np.uint64)) for k, count in enumerate(counts)]
    datagrams = list(p.packetise(frames))
    back = [frame for datagram in datagrams for frame in p.decode_data(datagram)[0]]
    assert [plain(frame) for frame in back] == [plain(frame) for frame in frames]
    for datagram in datagrams:
        assert len(datagram) <= p.MAX_DATAGRAM_BYTES or len(p.decode_data(datagram)[0]) == 1


@pytest.mark.parametrize(
    "frame",
    [p.Frame(1 << 36), p.Frame(-1), p.Frame(0, port=32), p.Frame(0, slave=32), p.Frame(0, lost=4), p.Frame(0, kind=8),
     p.Frame(0, np.zeros(8195, np.uint64))],
)  # fmt: skip
def test_a_frame_that_does_not_fit_its_bits_is_refused(frame: p.Frame) -> None:
    with pytest.raises(WireError, match="frame: "):
        p.encode_frame(frame)


def test_what_udp_cannot_carry_is_refused() -> None:
    with pytest.raises(WireError, match="UDP carries 65507"):
        p.encode_data([p.Frame(0, np.zeros(8190, np.uint64))])


@given(st.lists(u64, max_size=20))
def test_events_come_back_as_they_were(words: list[int]) -> None:
    events = np.array(words, np.uint64)
    assert p.encode_events(p.decode_events(events)).tolist() == words


def test_an_event_that_does_not_fit_its_bits_is_refused() -> None:
    zero = np.zeros(1, np.int64)
    with pytest.raises(WireError, match="t_coarse"):
        p.encode_events(p.Event(zero, zero, zero + 1024, zero, zero, zero))
