"""The layout compiler against the oracle and the encoder, over layouts that hypothesis makes up.

numba takes a second for a layout, so most generated decoders are interpreted as the Python they are. A dozen go through
numba.
"""

from __future__ import annotations

from math import lcm
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import seed as hypothesis_seed
from hypothesis import strategies as st
from oracle import Oracle
from support_layouts import layouts, plain_kernel

from daq.errors import EncodeError, RefusedError
from daq.listmode.codegen import decoder_source
from daq.listmode.decoder import Decoded, LayoutDecoder
from daq.listmode.encoder import Encoder, event_columns
from daq.model.finding import errors
from daq.model.layout import Clock, Layout
from daq.model.layout_rules import findings
from daq.storage.accounts import unnumbered
from daq.storage.kernels import load_decoder
from simulators.events import draw_values

EVENTS = ("single", "prompt", "delayed")
SLOW = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


def words_of(layout: Layout, seed: int, count: int) -> bytes:
    """Random words; of nine in ten the tag is a known one, and some fields are at an end of their range."""
    rng = np.random.default_rng(seed)
    made = bytearray()
    for _ in range(count):
        word = int(rng.integers(0, 1 << 63)) * 2 + int(rng.integers(0, 2)) & ((1 << layout.word_bits) - 1)
        if rng.random() < 0.9:
            kind = list(layout.kinds.values())[rng.integers(len(layout.kinds))]
            for field in kind.fields.values():
                end = rng.integers(8)
                word = word & ~field.mask if end == 0 else word | field.mask if end == 1 else word
            word = word & ~kind.tag_mask | kind.tag_value
        made += word.to_bytes(layout.word_bytes, layout.byte_order)
    return bytes(made)


def decode(decoder: LayoutDecoder, data: bytes, *, imported: bool) -> tuple[Decoded, dict[str, int]]:
    carry = decoder.start(imported=imported)
    size = decoder.layout.word_bytes
    half = len(data) // size // 2 * size
    decoded = decoder.decode(unnumbered([(0, data[:half]), (0, data[half:])], source=0, arrival_ns=0), carry)
    counts = dict(zip(decoder.counters, carry.counts.sum(axis=0).tolist(), strict=True))
    return decoded, {name: count for name, count in counts.items() if count}


def check_against_oracle(decoder: LayoutDecoder, seed: int, *, imported: bool) -> None:
    data = words_of(decoder.layout, seed, 40)
    oracle = Oracle(decoder.layout, decoder.clock, imported=imported)
    oracle.feed(data)

    decoded, counts = decode(decoder, data, imported=imported)

    assert counts == oracle.counts
    for stream, expected in oracle.rows.items():
        assert decoded.rows(stream) == len(expected)  # type: ignore[arg-type]
        for index, row in enumerate(expected):
            for column, value in row.items():
                got = decoded.streams[stream][column][index]  # type: ignore[index]
                np.testing.assert_equal(got, got.dtype.type(value), err_msg=f"{stream}.{column}[{index}]")


@pytest.mark.slow
@settings(SLOW, max_examples=150)
@given(layouts(), st.integers(0, 1 << 30), st.booleans())
def test_decoders_of_layouts_that_nobody_designed_agree_with_the_oracle(
    made: tuple[Layout, Clock], seed: int, imported: bool
) -> None:
    layout, clock = made
    assert errors(findings(layout, clock)) == []

    check_against_oracle(LayoutDecoder(layout, clock, plain_kernel(layout, clock)), seed, imported=imported)


@pytest.mark.slow
def test_numba_compiles_a_dozen_of_them_to_the_same(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    found: dict[str, tuple[Layout, Clock]] = {}

    @settings(SLOW, max_examples=60, phases=[Phase.generate], database=None)
    @hypothesis_seed(20)
    @given(layouts())
    def draw(made: tuple[Layout, Clock]) -> None:
        found[decoder_source(*made)] = made

    draw()
    for text in sorted(found, key=len)[-36::3]:
        for seed in range(8):
            check_against_oracle(load_decoder(*found[text]), seed, imported=seed % 2 == 0)


def drawn_events(layout: Layout, clock: Clock, seed: int) -> tuple[Any, Any, dict[str, Any]]:
    """Kind codes, ticks and values as the Poisson simulator draws them, with pairs in the stored order."""
    rng = np.random.default_rng(seed)
    kinds = list(layout.kinds.values())
    codes = rng.choice([i for i, kind in enumerate(kinds) if kind.yields in EVENTS], 20)
    values: dict[str, Any] = {}
    for code in set(codes.tolist()):
        rows = np.flatnonzero(codes == code)
        for name, drawn in draw_values(rng, kinds[code], len(rows)).items():
            column = values.get(name, np.zeros(len(codes), np.int64))
            values[name] = column.astype(np.float64 if drawn.dtype.kind == "f" else column.dtype)
            values[name][rows] = drawn
    if "detector_a" in values:
        a, b = values["detector_a"].copy(), values["detector_b"].copy()
        values["detector_a"], values["detector_b"] = np.minimum(a, b), np.maximum(a, b)
    words = [f for k in kinds if k.yields == "time" and (f := k.field_to("time"))]
    times = [f for k in kinds if (f := k.field_to("time"))]
    unit = lcm(*(f.ticks for f in times))
    shortest = min((f.wrap or 1 << f.width) * f.ticks for f in words or times)
    most = min((shortest - 1) // 2, 100 * min(f.ticks for f in words or times)) // unit
    start = 0 if clock.start_ticks is None else clock.start_ticks // unit * unit
    return codes, start + np.cumsum(rng.integers(0, most + 1, len(codes))) * unit, values


@pytest.mark.slow
@settings(SLOW, max_examples=120)
@given(layouts(), st.integers(0, 1 << 30), st.sampled_from(["changes", "all"]))
def test_what_is_encoded_in_them_decodes_to_the_same_rows(made: tuple[Layout, Clock], seed: int, words: Any) -> None:
    layout, clock = made
    try:
        codes, ticks, values = drawn_events(layout, clock, seed)
        data = Encoder(layout, clock, time_words=words).encode(codes, ticks, values).tobytes()
    except (EncodeError, RefusedError):
        assume(False)
    decoder = LayoutDecoder(layout, clock, plain_kernel(layout, clock))

    decoded, counts = decode(decoder, data, imported=True)

    assert not {"unknown", "out_of_range", "untimed"} & set(counts)
    kinds = list(layout.kinds.values())
    for stream, family in (("singles", EVENTS[:1]), ("coincidences", EVENTS[1:])):
        rows = [i for i, code in enumerate(codes) if kinds[code].yields in family]
        if rows:
            got = decoded.streams[stream]  # type: ignore[index]
            assert [round(int(tick) * clock.tick) for tick in ticks[rows]] == got["time_ps"].tolist()
            for column in event_columns(kinds[codes[rows[0]]]):
                want = values[column][rows].astype(np.float64)
                np.testing.assert_allclose(got[column], want, rtol=1e-6, atol=1 if column == "tof_ps" else 1e-4)
