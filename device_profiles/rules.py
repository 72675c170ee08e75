"""Rules on an instrument profile beyond its layout: transport, detector facts, and how the sections agree."""

from __future__ import annotations

from collections.abc import Iterator

from daq.model.fersboard import FersBoard
from daq.model.finding import ABSENT, Finding, Said, error, warning
from daq.model.layout import DetectorNumber, Fers
from daq.model.layout_rules import findings as layout_findings
from daq.model.order import MOST_HELD_ROWS
from device_profiles.schema import InstrumentProfile

_CAMERA_KEYS = ("heads", "width_mm", "height_mm")
_PET_KEYS = ("coincidence_half_window_ps",)
_FOREIGN: dict[str, tuple[str, ...]] = {
    "pet": _CAMERA_KEYS,
    "gamma_camera": _PET_KEYS,
    "probe": (*_CAMERA_KEYS, *_PET_KEYS),
}
"""Keys of the detector section that make no sense for a modality; `generic` may use all."""

_COINCIDENCES = ("prompt", "delayed")


def findings(profile: InstrumentProfile) -> list[Finding]:
    """Return everything there is to say about a profile whose keys and types are in order."""
    return [
        *transport(profile),
        *frames(profile),
        *events_in_streams(profile),
        *layout_findings(profile.layout, profile.clock),
        *order(profile),
        *detector_facts(profile),
        *detector_count(profile),
        *modality_fits(profile),
    ]


def transport(profile: InstrumentProfile) -> Iterator[Finding]:
    """Demand a framing for datagrams."""
    framing, kinds = profile.transport.datagram_framing, profile.transport.kinds
    if "udp" in kinds and framing is None:
        yield error("transport.datagram_framing", ABSENT, 'required with udp: "native", "none" or "petsys-gbe"')
    if "udp" not in kinds and framing is not None:
        yield error("transport.datagram_framing", framing, f"only with udp; kinds: {', '.join(kinds)}")
    if "udp" in kinds and framing == "none":
        reason = "bare datagrams carry no numbers: lost ones go unseen, the ledger can only say `basis: none`"
        yield warning("transport.datagram_framing", framing, reason)
    if len(set(kinds)) != len(kinds):
        yield error("transport.kinds", list(kinds), "names a transport twice")


def frames(profile: InstrumentProfile) -> Iterator[Finding]:
    """Demand framing, decoder and counting unit that belong together where words travel in frames."""
    framed = profile.transport.datagram_framing == "petsys-gbe"
    if framed and set(profile.transport.kinds) != {"udp"}:
        yield error("transport.kinds", list(profile.transport.kinds), "petsys-gbe is datagrams, and nothing else")
    if framed != (profile.layout.decoder == "tofpet2"):
        reason = 'transport.datagram_framing = "petsys-gbe" and layout.decoder = "tofpet2" need each other'
        yield error("layout.decoder", profile.layout.decoder or ABSENT, reason)
    if profile.counting_unit != profile.layout.unit:
        yield error("counting_unit", profile.counting_unit, f"what can be counted here is the {profile.layout.unit}")
    if profile.transport.front_end is not None and profile.layout.decoder is None:
        reason = "commands are known of petsys-gbe and of FERS boards alone"
        yield error("transport.front_end", Said("a table"), reason)


def events_in_streams(profile: InstrumentProfile) -> Iterator[Finding]:
    """Demand streams where events of a FERS board travel, and a port for commands there alone."""
    fers = profile.layout.decoder == "fers"
    if fers and "udp" in profile.transport.kinds:
        yield error("transport.kinds", list(profile.transport.kinds), "FERS boards send their events by tcp")
    front_end = profile.transport.front_end
    if front_end is not None and front_end.control_port is not None and not fers:
        yield error("transport.front_end.control_port", front_end.control_port, "commands travel with the data")
    if front_end is not None and front_end.board is not None and profile.layout.fers is not None:
        yield from _board(front_end.board, profile.layout.fers)


def _board(board: FersBoard, fers: Fers) -> Iterator[Finding]:
    """Demand of a board the events that are made of what it sends, and codes that leave room for the low gain."""
    gives = "spectroscopy" if board.mode.startswith("spectroscopy") else "timing"
    if board.mode != "counting" and gives != fers.events:
        reason = f'a board in mode {board.mode} gives no singles with layout.fers.events = "{fers.events}"'
        yield error("transport.front_end.board.mode", board.mode, reason)
    most = (1 << board.range_bits) - 1
    if fers.gain == "auto" and board.gain == "both" and fers.high_gain_to_adc > most:
        reason = f"codes of {board.range_bits} bits end at {most}: the low gain would never take over"
        yield error("layout.fers.high_gain_to_adc", fers.high_gain_to_adc, reason)


def order(profile: InstrumentProfile) -> Iterator[Finding]:
    """Demand limits of disorder and step that the clock can keep; warn where memory or the clock's step cannot."""
    disorder, step = profile.order.max_disorder_ps, profile.order.max_step_ps
    precision = profile.clock.precision_ps
    if step < disorder:
        reason = f"must not be below max_disorder_ps = {disorder}: a source no further ahead than that is in order"
        yield error("order.max_step_ps", step, reason)
    if step < precision:
        reason = f"below clock.precision_ps = {precision}: every step of the clock would count as a jump"
        yield error("order.max_step_ps", step, reason)
    if disorder < precision:
        reason = f"below clock.precision_ps = {precision}: whatever comes after another source's step is late"
        yield warning("order.max_disorder_ps", disorder, reason)
    held = int(disorder * profile.transport.rate_max_words_per_s / 10**12)
    if held > MOST_HELD_ROWS:
        reason = f"holds {held} events at rate_max_words_per_s; beyond {MOST_HELD_ROWS} the oldest go before their time"
        yield warning("order.max_disorder_ps", disorder, reason)


def detector_facts(profile: InstrumentProfile) -> Iterator[Finding]:
    """Demand facts that fit the modality and each other."""
    facts = profile.detector
    for key in _FOREIGN.get(profile.modality, ()):
        if getattr(facts, key) is not None:
            yield error(f"detector.{key}", getattr(facts, key), f"says nothing about modality {profile.modality}")
    if profile.modality == "gamma_camera":
        for key in _CAMERA_KEYS:
            if getattr(facts, key) is None:
                yield warning(f"detector.{key}", ABSENT, "a gamma camera states its heads and their field of view")
    low, high = facts.energy_min_kev, facts.energy_max_kev
    if low is not None and high is not None and low >= high:
        yield error("detector.energy_min_kev", low, f"must be below energy_max_kev = {high}")
    if (facts.energy_resolution_percent is None) != (facts.energy_resolution_at_kev is None):
        yield error(
            "detector.energy_resolution_percent", facts.energy_resolution_percent, "a resolution is stated at an energy"
        )


def detector_count(profile: InstrumentProfile) -> Iterator[Finding]:
    """Warn when the stated number of detectors is not the one the layout can express."""
    stated = profile.detector.detector_count
    if stated is None:
        return
    for name, kind in profile.layout.kinds.items():
        for which in ("detector", "detector_a", "detector_b"):
            number: DetectorNumber | None = getattr(kind, which)
            if number is not None and _highest(number) != stated:
                reason = f"layout.kinds.{name}.{which} gives {_highest(number)} detector numbers"
                yield warning("detector.detector_count", stated, reason)


def modality_fits(profile: InstrumentProfile) -> Iterator[Finding]:
    """Demand coincidences of PET and generic instruments only."""
    if profile.modality in ("gamma_camera", "probe"):
        for name, kind in profile.layout.kinds.items():
            if kind.yields in _COINCIDENCES:
                yield error(
                    f"layout.kinds.{name}.yields", kind.yields, f"no coincidences in modality {profile.modality}"
                )


def _highest(number: DetectorNumber) -> int:
    """Return one more than the highest detector number."""
    return number.count if number.lookup is None else max(number.lookup, default=-1) + 1
