"""Registers of a control profile that would harm each other, or that their protocol does not have."""

from __future__ import annotations

from pathlib import Path

import pytest

from daq.errors import ProfileError
from device_profiles.control import control_path, load_control

REST = "\n[registers.more]\n"


@pytest.mark.parametrize(
    ("profile", "more", "key", "why"),
    [
        ("ipbus-board", "address = 0x20\nmask = 0x0", "registers.more.mask", "some of 32 bits are wanted"),
        ("ipbus-board", "address = 0x20\nmask = 0x5", "registers.more.mask", "has a gap: name two fields"),
        ("ipbus-board", "address = 0x20\nbits = 16", "registers.more.bits", "a word of IPbus has 32 bits"),
        ("ipbus-board", "address = 0x20\nmask = 0xf\nwords = 2", "registers.more.mask", "all bits are meant"),
        ("ipbus-board", "address = 0x20\nmask = 0xf\nreset = 16", "registers.more.reset", "the 4 bits of the mask"),
        ("ipbus-board", "address = 0x20\nscale = 0.5", "registers.more.unit", "what has a scale has a unit"),
        ("ipbus-board", 'address = 0x20\nunit = "1"\nscale = 0.0', "registers.more.scale", "makes every reading"),
        ("ipbus-board", 'address = 0x20\naccess = "write"\nread_clears = true', "read_clears", "cannot be read"),
        ("ipbus-board", 'address = 0x20\naccess = "read"\nwrite_one_clears = true', "clears", "cannot be written"),
        ("ipbus-board", 'address = 0x20\naccess = "read"\nhazard = "safe"', "registers.more.hazard", "be written"),
        ("ipbus-board", "address = 0x7\nmask = 0xf00", "registers.more", "is written together with errors"),
        ("sitcp-rbcp", "address = 0x30\nfifo = true", "registers.more.fifo", "again and again at one address"),
        ("sitcp-rbcp", "address = 0x30\nbits = 8\nmask = 0x1ff", "registers.more.mask", "some of 8 bits"),
        ("caen-n1470", "address = 0x20", "registers", "belong to codecs ipbus-udp, ipbus-tcp, rbcp, not to lines"),
    ],
)
def test_a_register_that_does_harm_is_refused(profile: str, more: str, key: str, why: str, tmp_path: Path) -> None:
    (tmp_path / "it.toml").write_text(control_path(profile).read_text() + REST + more + "\n")

    with pytest.raises(ProfileError) as refused:
        load_control(tmp_path / "it.toml")

    assert key in str(refused.value)
    assert why in str(refused.value)


@pytest.mark.parametrize(
    ("said", "key", "why"),
    [
        ('type = "integer"\nunit = "1"', "values.more.base = 10", "accesses have hexadecimal numbers: base = 16"),
        ('type = "number"\nunit = "1"', "values.more.type = 'number'", "accesses have whole numbers"),
    ],
)
def test_a_value_in_another_base_than_the_wire_has_is_refused(said: str, key: str, why: str, tmp_path: Path) -> None:
    """Set and read back in the same wrong base it would look right."""
    more = f'\n[values.more]\n{said}\nget = {{ send = "read 1", reply = "(?P<value>[0-9a-f]{{8}})" }}\n'
    (tmp_path / "it.toml").write_text(control_path("ipbus-board").read_text() + more)

    with pytest.raises(ProfileError) as refused:
        load_control(tmp_path / "it.toml")

    assert key in str(refused.value)
    assert why in str(refused.value)


def test_a_byte_of_rbcp_may_be_a_register(tmp_path: Path) -> None:
    more = 'address = 0x30\nbits = 16\norder = "little"\nmask = 0xff0\n'
    (tmp_path / "it.toml").write_text(control_path("sitcp-rbcp").read_text() + REST + more)

    assert load_control(tmp_path / "it.toml").registers["more"].order == "little"
