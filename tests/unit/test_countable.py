"""A limit on pairs that nobody would ever count is refused before anything is asked for data."""

import pytest
from support_protocols import made, pet

from acquisition_protocols.rules import check
from daq.composition.countable import require_countable
from daq.errors import RefusedError
from daq.model.coincidence import PairingRule
from daq.model.finding import errors
from daq.model.processing import Processing
from daq.model.stop import parse_stop
from device_profiles.load import load_profile
from device_profiles.scanners import load_scanner

SINGLES, PETLINK = load_profile("singles64"), load_profile("siemens-petlink32")
RING = load_scanner("reference-ring").ring
assert RING is not None
PROMPTS = Processing(pairing=PairingRule(half_window_ps=3200, ring=RING))
BOTH = Processing(pairing=PairingRule(half_window_ps=3200, delay_ps=100_000, ring=RING))


@pytest.mark.parametrize(
    ("stop", "processing", "store_rows", "sentence"),
    [
        ("prompts=5", Processing(), True,
         "prompts=5 would never be reached: profile singles64 sends no prompts, and without a half window none are "
         "made of its singles"),
        ("singles=9,delayeds=5", PROMPTS, True,
         "delayeds=5 would never be reached: without a delay there is no delayed window"),
        ("coincidences=1k", BOTH, False,
         "coincidences=1000 would never be reached: where raw alone is recorded pairs are made later, by a replay"),
        ("beats=50,gate=ecg 8 percent forward 20% learn 10 skip 0", Processing(), True,
         "beats=50 would never be reached: profile singles64 sends no ecg triggers"),
    ],
)  # fmt: skip
def test_a_limit_that_is_never_reached_is_refused(
    stop: str, processing: Processing, store_rows: bool, sentence: str
) -> None:
    with pytest.raises(RefusedError) as refused:
        require_countable(SINGLES, parse_stop([stop]), processing, store_rows=store_rows)
    assert str(refused.value) == sentence


def test_limits_that_can_be_reached_are_accepted() -> None:
    require_countable(SINGLES, parse_stop(["prompts=5,delayeds=5"]), BOTH, store_rows=True)
    require_countable(SINGLES, parse_stop(["prompts=5,coincidences=5"]), PROMPTS, store_rows=True)
    require_countable(SINGLES, parse_stop(["singles=5,events=9"]), PROMPTS, store_rows=False)
    require_countable(PETLINK, parse_stop(["prompts=5,delayeds=5"]), Processing(), store_rows=False)


@pytest.mark.parametrize(
    ("store", "delay", "counter", "reason"),
    [
        ("", "", "delayeds", "never counts: coincidence.delay is absent, so there is no delayed window"),
        ('store = { raw = true, singles = "none", pairs = false }\n', 'delay = "100 ns"\n', "prompts",
         "never counts: of raw alone pairs are made later, by a replay"),
    ],
)  # fmt: skip
def test_a_protocol_that_counts_pairs_which_nobody_makes_does_not_fit_the_instrument(
    store: str, delay: str, counter: str, reason: str
) -> None:
    window = '[windows.photopeak]\nlower = "425 keV"\nupper = "650 keV"\n\n'
    pairs = f'[coincidence]\nhalf_window = "3.2 ns"\n{delay}\n'
    step = '[[steps]]\nname = "bed"\nstop.host = "1 min"\n'
    step += f'stop.counts = {{ counter = "{counter}", window = "photopeak", head = "sum", limit = "1000 counts" }}\n'
    found = errors(check(made(pet(step, top=f"{store}{window}{pairs}")), None, SINGLES))
    assert [str(finding) for finding in found] == [f"steps[0].stop.counts.counter = '{counter}': {reason}"]
