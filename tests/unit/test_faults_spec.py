"""Faults as text: what is understood, and what is refused in which words."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daq.errors import UsageError
from simulators.faults import FAULT_KINDS, FaultSpec, parse_fault
from simulators.faults.spec import describe_kinds


def test_a_fault_is_its_kind_and_its_keys() -> None:
    spec = parse_fault(" pause: at_s=2.5 , for_s=1,source=3 ")

    assert spec == FaultSpec("pause", "pause:at_s=2.5,for_s=1,source=3", source=3, at_s=2.5, for_s=1.0)
    assert parse_fault(spec.text) == spec


def test_what_is_not_said_has_its_default() -> None:
    spec = parse_fault("duplicate:share=0.5")

    assert (spec.copies, spec.within, spec.source, spec.control) == (1, 0, None, False)
    assert (spec.from_s, spec.until_s) == (0.0, math.inf)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "kinds are loss, duplicate, reorder"),
        ("loss", "fault 'loss': needs share or burst and every"),
        ("loss:", "needs share or burst and every"),
        ("loss:share=0.1,burst=2,every=3", "needs share or burst and every"),
        ("loss:burst=2", "needs share or burst and every"),
        ("loss:burst=5,every=4", "5 out of every 4 packets"),
        ("loss:share=0", "share must be a share above 0, at most 1, not '0'"),
        ("loss:share=nan", "share must be"),
        ("loss:share=1.5", "share must be"),
        ("loss:share=0.1,share=0.2", "share stands there twice"),
        ("loss:shar=0.1", "loss has no key 'shar'; its keys are share, burst, every, source, from_s, until_s, control"),
        ("loss:share=0.1,from_s=2,until_s=2", "from_s must be before until_s"),
        ("loss:burst=1,every=9,control=true", "control goes with share"),
        ("loss:share=0.1,control=yes", "control must be true or false, not 'yes'"),
        ("reorder:share=0.1", "needs share and by"),
        ("reorder:share=0.1,by=1001", "by must be a number of packets, 1 to 1000, not '1001'"),
        ("duplicate:share=0.1,copies=0", "copies must be a number of copies, 1 to 9, not '0'"),
        ("garbage:share=0.1,of=words", "of must be bytes, header or both, not 'words'"),
        ("pause:for_s=1", "needs at_s and for_s or after and for_s"),
        ("pause:at_s=1,after=2,for_s=1", "needs at_s and for_s or after and for_s"),
        ("pause:at_s=-1,for_s=1", "at_s must be seconds from 0 to 1e+06, not '-1'"),
        ("pause:at_s=inf,for_s=1", "at_s must be seconds"),
        ("pause:after=1e3,for_s=1", "after must be a number of packets, 0 or more, not '1e3'"),
        ("jump:at_s=1", "needs at_s and ticks or at_s and by_s"),
        ("jump:at_s=1,ticks=0", "ticks must be a number of ticks other than 0"),
        ("silent:at_s=1,source=65535", "source must be a source number, 0 to 65534"),
        ("silent:at_s=1,source=" + "9" * 5000, "source must be a source number"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(UsageError) as refusal:
        parse_fault(text)

    assert sentence in str(refusal.value)


@given(st.text(alphabet="abcdefhlnoprstuy_:=,.0123456789-einf \u0663\x00", max_size=60))
def test_any_text_is_a_fault_or_refused(text: str) -> None:
    for given_text in (text, f"loss:{text}", f"jump:at_s={text}"):
        try:
            spec = parse_fault(given_text)
        except UsageError:
            continue
        assert spec.kind in FAULT_KINDS


def test_help_names_every_kind_with_all_its_keys() -> None:
    lines = describe_kinds().splitlines()[::2]

    assert [line.split(":")[0].strip() for line in lines] == list(FAULT_KINDS)
    assert all(key in line for line, kind in zip(lines, FAULT_KINDS.values(), strict=True) for key in kind.keys)
