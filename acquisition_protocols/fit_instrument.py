"""Whether a protocol fits an instrument: what it counts, its energies, triggers, rates; and this version's readout."""

from __future__ import annotations

from collections.abc import Iterator

from acquisition_protocols.instrument import Instrument
from daq.model.finding import Finding, Said, error, warning
from daq.model.protocol import ALL, AcquisitionProtocol, CountLimit, Gate
from daq.model.windows import EnergyWindow

_YIELDS_OF = {
    "singles": {"single"},
    "prompts": {"prompt"},
    "delayeds": {"delayed"},
    "coincidences": {"prompt", "delayed"},
}
_MARKS_OF = {"ecg": ("cardiac_trigger", "gate"), "respiration": ("respiratory_trigger", "respiratory_phase", "gate")}
_OF_THE_SOFTWARE = frozenset({"delay", "policy", "windows", "minimum_sector_difference", "max_ring_difference"})
_ENERGIES = ("energy_kev", "energy_adc", "energy_a_kev")


def findings(protocol: AcquisitionProtocol, instrument: Instrument) -> Iterator[Finding]:
    """Yield what the instrument cannot do."""
    wanted = protocol.file.instrument
    if instrument.modality not in (protocol.modality, "generic"):
        yield error("modality", protocol.modality, f"instrument {instrument.id} is a {instrument.modality}")
    if wanted.profiles and instrument.id not in wanted.profiles:
        yield error("instrument.profiles", list(wanted.profiles), f"the instrument is {instrument.id}")
    heads = instrument.detector.heads
    if wanted.heads is not None and heads is not None and heads < wanted.heads:
        yield error("instrument.heads", wanted.heads, f"instrument {instrument.id} has {heads}")
    yield from _energies(protocol, instrument)
    yield from _pairs(protocol, instrument)
    if protocol.coincidence is not None:
        yield from _rate(instrument, "coincidence", protocol.coincidence.expected_singles_cps, "expected_singles_rate")
    for key, limit in count_limits(protocol):
        yield from _counted(protocol, instrument, key, limit)
    for step in {step.key: step for step in protocol.steps}.values():
        if step.gate is not None:
            yield from _gated(instrument, step.key, step.gate)
        yield from _rate(instrument, step.key, step.expected_rate_cps)


def beyond_this_version(protocol: AcquisitionProtocol) -> Iterator[Finding]:
    """Yield, as warnings, what the protocol asks for and the readout of this version does not do."""
    for key, limit in count_limits(protocol):
        if limit.name is None:
            what = "it will not be started" if key.endswith(".stop.counts") else "it will not be judged at the end"
            reason = f"the readout of this version counts all pairs together: {what}"
            yield warning(key, Said(str(limit)), reason)
    yield from _recorded(protocol)


def _recorded(protocol: AcquisitionProtocol) -> Iterator[Finding]:
    if protocol.recorded is not None:
        reason = "the readout of this version records every energy that the instrument sends"
        yield warning("recorded", Said(str(protocol.recorded).removeprefix("recorded ")), reason)


def count_limits(protocol: AcquisitionProtocol) -> Iterator[tuple[str, CountLimit]]:
    """Yield key and value of every limit on counts, once for a repetition."""
    for step in {step.key: step for step in protocol.steps}.values():
        if step.stop.counts is not None:
            yield f"{step.key}.stop.counts", step.stop.counts
        if step.minimum_counts is not None:
            yield f"{step.key}.minimum_counts", step.minimum_counts


def yields_of(instrument: Instrument) -> set[str]:
    """Return what its words yield: single, prompt, delayed ..."""
    return {kind.yields for kind in instrument.layout.kinds.values()}


def _has_energies(instrument: Instrument) -> bool:
    fields = [field.to for kind in instrument.layout.kinds.values() for field in kind.fields.values()]
    return any(target in _ENERGIES for target in fields)


def _energies(protocol: AcquisitionProtocol, instrument: Instrument) -> Iterator[Finding]:
    if protocol.windows.windows and not _has_energies(instrument):
        reason = f"instrument {instrument.id} sends no energies: its own energy window decides"
        say = error if protocol.store.singles == "windowed" else warning
        yield say("windows", Said(", ".join(map(str, protocol.windows.windows))), reason)
        return
    ranges = [(f"windows.{window.name}", window) for window in protocol.windows.windows]
    if protocol.recorded is not None:
        ranges.append(("recorded", protocol.recorded))
    for key, wanted in ranges:
        yield from _in_range(instrument, key, wanted)


def _in_range(instrument: Instrument, key: str, wanted: EnergyWindow) -> Iterator[Finding]:
    low, high = instrument.detector.energy_min_kev, instrument.detector.energy_max_kev
    if (low is not None and wanted.lower_kev < low) or (high is not None and wanted.upper_kev > high):
        recorded = f"{'0' if low is None else f'{low:g}'} to {'any' if high is None else f'{high:g}'} keV"
        reason = f"instrument {instrument.id} records {recorded}"
        yield error(key, Said(f"{wanted.lower_kev:g} to {wanted.upper_kev:g} keV"), reason)


def _pairs(protocol: AcquisitionProtocol, instrument: Instrument) -> Iterator[Finding]:
    said, text = protocol.coincidence, protocol.file.coincidence
    if said is None or text is None:
        return
    own_ps = instrument.detector.coincidence_half_window_ps
    if own_ps is not None and own_ps != said.half_window_ps:
        reason = f"instrument {instrument.id} pairs with {own_ps} ps itself"
        yield error("coincidence.half_window", Said(text.half_window.text), reason)
    yield from _unpaired(protocol, instrument)


def _unpaired(protocol: AcquisitionProtocol, instrument: Instrument) -> Iterator[Finding]:
    """Warn of settings that do nothing, or pair what no window has chosen."""
    said, text = protocol.coincidence, protocol.file.coincidence
    if said is None or text is None:
        return
    if "single" not in yields_of(instrument):
        for key in sorted(_OF_THE_SOFTWARE & text.model_fields_set):
            reason = f"instrument {instrument.id} pairs singles itself: this setting of the software's is not used"
            yield warning(f"coincidence.{key}", Said("given"), reason)
    elif not said.windows:
        reason = "no energy window: every single pairs, also scattered ones and those of the crystal's own background"
        yield warning("coincidence.windows", Said("absent"), reason)


def _counted(protocol: AcquisitionProtocol, instrument: Instrument, key: str, limit: CountLimit) -> Iterator[Finding]:
    has = yields_of(instrument)
    paired = protocol.coincidence is not None and "single" in has and limit.counter != "singles"
    needs = _YIELDS_OF.get(limit.counter, {"single", "prompt", "delayed"})
    if not needs & has and not paired:
        said = ", ".join(sorted(has & {"single", "prompt", "delayed"})) or "nothing that counts"
        yield error(
            f"{key}.counter", limit.counter, f"never counts: the words of instrument {instrument.id} are {said}"
        )
    elif not needs & has and limit.counter != "events":
        yield from _made(protocol, key, limit)
    if limit.all_are_inside and "single" not in has:
        reason = f"instrument {instrument.id} pairs singles itself, and does not say in which window: {ALL!r}"
        yield error(f"{key}.window", limit.window, reason)
    if limit.head == "both" and instrument.detector.heads == 1:
        yield error(f"{key}.head", limit.head, f'instrument {instrument.id} has one head: "view" or "sum"')


def _made(protocol: AcquisitionProtocol, key: str, limit: CountLimit) -> Iterator[Finding]:
    """Yield why pairs that the readout would make of singles are never counted."""
    where, said = f"{key}.counter", protocol.coincidence
    if said is not None and said.delay_ps is None and limit.counter == "delayeds":
        yield error(where, limit.counter, "never counts: coincidence.delay is absent, so there is no delayed window")
    elif not protocol.store.rows:
        yield error(where, limit.counter, "never counts: of raw alone pairs are made later, by a replay")


def _gated(instrument: Instrument, key: str, gate: Gate) -> Iterator[Finding]:
    marks = {kind.mark for kind in instrument.layout.kinds.values()}
    wanted = _MARKS_OF[gate.trigger]
    if not marks & set(wanted):
        yield error(f"{key}.gate.trigger", gate.trigger, f"instrument {instrument.id} sends no {' or '.join(wanted)}")


def _rate(
    instrument: Instrument, key: str, expected_cps: float | None, name: str = "expected_rate"
) -> Iterator[Finding]:
    most = instrument.transport.rate_max_words_per_s
    if expected_cps is not None and expected_cps > most:
        reason = f"more than instrument {instrument.id} can send: {most:g} words/s"
        yield error(f"{key}.{name}", Said(f"{expected_cps:g} cps"), reason)
