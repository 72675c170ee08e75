"""What a protocol records, and how it pairs singles: what no equipment could do, or what would be lost for good."""

from __future__ import annotations

from collections.abc import Iterator

from daq.model.coincidence import MAX_DELAY_PS, MAX_HALF_WINDOW_PS
from daq.model.finding import Finding, Said, error, warning
from daq.model.protocol_file import CoincidenceFile, ProtocolFile, StoreFile
from daq.model.protocol_steps import store_of


def store(file: ProtocolFile) -> Iterator[Finding]:
    """Demand that something is recorded, and windows where only what is inside of them is."""
    kept = store_of(file)
    said = Said("a table") if isinstance(file.store, StoreFile) else file.store
    if kept.singles == "windowed" and not file.windows:
        yield error("store", said, "there is no energy window: nothing would be stored")
    if not (kept.raw or kept.rows):
        yield error("store", Said("nothing"), "nothing would be recorded: raw, singles or pairs")
    if not isinstance(file.store, StoreFile):
        return
    if file.store.pairs and file.modality != "pet":
        yield error("store.pairs", file.store.pairs, f"a {file.modality} has no coincidences")
    if not kept.raw and kept.singles == "none" and kept.pairs and file.coincidence is not None:
        reason = "pairs alone: they can never be sorted again with other settings, and overload loses them for good"
        yield warning("store.singles", kept.singles, reason)


def coincidence(file: ProtocolFile) -> Iterator[Finding]:
    """Demand pairs of PET only, in windows that there are, and a delayed window that does not touch the prompt one."""
    said = file.coincidence
    if said is None:
        return
    if file.modality != "pet":
        yield error("coincidence", Said("given"), f"modality {file.modality} pairs no singles")
    for index, name in enumerate(said.windows):
        if name not in file.windows:
            known = ", ".join(file.windows) or "none"
            yield error(f"coincidence.windows[{index}]", name, f"no such energy window; there are {known}")
    yield from _bounds(said)
    if said.delay is not None and said.delay.ps <= 2 * said.half_window.ps:
        reason = f"must be above twice half_window = {said.half_window}: true pairs would be counted as delayed ones"
        yield error("coincidence.delay", Said(said.delay.text), reason)


def _bounds(said: CoincidenceFile) -> Iterator[Finding]:
    for key, value, most_ps in (
        ("half_window", said.half_window, MAX_HALF_WINDOW_PS),
        ("delay", said.delay, MAX_DELAY_PS),
    ):
        if value is not None and value.ps > most_ps:
            reason = f"at most {most_ps // 10**6} us: what lies within is held in memory"
            yield error(f"coincidence.{key}", Said(value.text), reason)
