"""What protocols of quality control say beyond others: the form of a source, a background before it, rates."""

from __future__ import annotations

import pytest
from support_protocols import camera, pet, said

from acquisition_protocols.load import load_protocol, shipped
from daq.model.protocol import AcquisitionProtocol, ProtocolKind
from daq.model.protocol_terms import Need, QcTerms

STEP = '[[steps]]\nname = "a"\nstop.time = "10 s"\n'
NUCLIDE = 'radionuclide = "Tc-99m"\n'
PROTOCOLS = [load_protocol(name).protocol for name in shipped()]
OF_QC = [each for each in PROTOCOLS if each.kind is ProtocolKind.QC_FLOOD]


def flood(qc: str, *, nuclide: str = NUCLIDE, kind: str = "qc_flood") -> str:
    return camera(STEP, top=f"{nuclide}[qc]\n{qc}\n", kind=kind)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (
            flood('source = "sheet"').replace(STEP, STEP + 'view = "ANT"\n').replace("qc_flood", "static"),
            "no patient's",
        ),
        (camera(STEP, top=NUCLIDE, kind="qc_flood"), "qc.source = absent: Tc-99m comes in a source; say its form"),
        (flood('source = "none"'), "say its form"),
        (flood('source = "sheet"', nuclide=""), "of what? say its radionuclide"),
        (flood('source = "none"\nbackground = { test = "b", maximum_age = "1 h" }', nuclide=""), "none does"),
        (flood('source = "sheet"\nrate = ["3 kcps", "1 kcps"]'), "must be below the highest, 1 kcps"),
        (flood('source = "sheet"\nrate = ["1 kcps"]'), "qc.rate"),
        (flood('source = "brick"'), "qc.source"),
        (flood('source = "sheet"\nkind = "x"'), "qc.kind"),
        (flood('source = "sheet"\nbackground = { test = "b" }'), "qc.background.maximum_age"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(text: str, why: str) -> None:
    (only,) = said(text)
    assert why in only


@pytest.mark.parametrize(
    "text",
    [
        flood('source = "sheet"'), flood('source = "none"', nuclide=""), camera(STEP, kind="qc_flood"),
        flood('source = "point"\nrate = ["1 cps", "2 kcps"]\nbackground = { test = "b", maximum_age = "12 h" }'),
        pet(top='radionuclide = "Ge-68"\n[qc]\nsource = "cylinder"\nrate = ["1 kcps", "9 kcps"]\n', kind="qc_flood"),
    ],
)  # fmt: skip
def test_what_can_be_is_taken_without_a_word(text: str) -> None:
    assert said(text) == []


@pytest.mark.parametrize("protocol", OF_QC, ids=lambda each: each.id)
def test_every_shipped_protocol_of_quality_control_says_its_source_and_is_of_no_patient(
    protocol: AcquisitionProtocol,
) -> None:
    assert protocol.qc is not None
    assert (protocol.qc.source == "none") is (protocol.radionuclide is None)
    assert protocol.qc.background is None or protocol.qc.background.name in shipped()
    assert not protocol.of_patient
    assert {step.role for step in protocol.steps} == {"quality_control"}


def test_no_patients_protocol_has_terms_of_quality_control() -> None:
    assert [each.id for each in PROTOCOLS if (each.qc is None) is not each.of_patient] == []


def test_the_daily_flood_asks_for_a_sheet_a_background_of_the_morning_and_a_rate_of_each_head() -> None:
    terms = load_protocol("daily-flood").protocol.qc

    assert terms == QcTerms("sheet", (1000.0, 30_000.0), Need("camera-background", 12 * 3600))


def test_the_centre_of_rotation_turns_the_heads_in_a_protocol_of_quality_control() -> None:
    protocol = load_protocol("centre-of-rotation").protocol

    assert {step.kind for step in protocol.steps} == {ProtocolKind.SPECT}
    assert [protocol.steps[at].positions["gantry"] for at in (0, -1)] == [0, 354]
