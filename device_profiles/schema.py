"""`instrument-profile/1`: what one model of instrument is, how it is reached, what its words mean. Data, never code.

Types and unknown keys are refused here by pydantic. What the layout must obey is in `daq.model.layout_rules`, what the
rest of the file must obey in `device_profiles.rules`.
"""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, PositiveFloat, PositiveInt

from daq.model.frontend import DatagramFraming, FrontEnd
from daq.model.layout import Clock, Layout, Strict
from daq.model.order import OrderRule

INSTRUMENT_SCHEMA = "instrument-profile/1"

Identifier = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
"""Lower-case letters, digits and hyphens; of a shipped profile also the name of its file."""

Text = Annotated[str, Field(min_length=1, max_length=2000)]
Modality = Literal["pet", "gamma_camera", "probe", "generic"]
TransportKind = Literal["file", "tcp", "udp"]


class Transport(Strict):
    """How the words travel. A file or TCP stream begins with the layout's preamble, a datagram never has one."""

    kinds: Annotated[tuple[TransportKind, ...], Field(min_length=1)]
    datagram_framing: DatagramFraming | None = None
    """Required with udp. `native`: numbered datagrams of scandaq's framing. `none`: bare words; losses go unseen.
    `petsys-gbe`: frames, commands and replies of the PETsys electronics."""
    front_end: FrontEnd | None = None
    """What a front end with commands is told before it is listened to; None: the defaults, where it has any."""
    rate_max_words_per_s: PositiveFloat
    """The highest rate the front end can send: only to estimate the room a recording needs on the disk."""


class Detector(Strict):
    """Facts about the detector that people and later stages need. Nothing here changes how words are decoded."""

    crystal: Text | None = None
    """The scintillator or semiconductor, e.g. `LSO`, `NaI(Tl)`, `CZT`."""
    crystal_thickness_mm: PositiveFloat | None = None
    energy_min_kev: PositiveFloat | None = None
    energy_max_kev: PositiveFloat | None = None
    """The range of energies the electronics records, before any window."""
    energy_resolution_percent: PositiveFloat | None = None
    """Full width at half maximum, at `energy_resolution_at_kev`."""
    energy_resolution_at_kev: PositiveFloat | None = None
    detector_count: PositiveInt | None = None
    """How many detector numbers are in use, where the instrument itself fixes it; else the scanner profile says."""
    heads: PositiveInt | None = None
    width_mm: PositiveFloat | None = None
    """Useful field of view of one head along x."""
    height_mm: PositiveFloat | None = None
    """Useful field of view of one head along y."""
    coincidence_half_window_ps: PositiveInt | None = None
    """Half width of the window in which the front end itself pairs singles."""


class InstrumentProfile(Strict):
    """One model of instrument. `model_dump(mode="json")` has the keys of the TOML file and reads back unchanged."""

    model_config = ConfigDict(serialize_by_alias=True)

    schema_id: Literal["instrument-profile/1"] = Field(alias="schema")
    id: Identifier
    title: Text
    vendor: Text
    models: Annotated[tuple[Text, ...], Field(min_length=1)]
    modality: Modality
    source: Text
    """The document that the layout was taken from, with revision and date."""
    verified: Literal["simulated", "hardware"]
    """What it was tried on. `simulated`: simulators and recorded files only."""
    counting_unit: Literal["word", "event", "frame"] = "word"
    """What the ledger counts."""
    notes: Text | None = None
    transport: Transport
    clock: Clock
    order: OrderRule = OrderRule()
    detector: Detector = Detector()
    layout: Layout

    @property
    def sha256(self) -> str:
        """Return the SHA-256 of the canonical JSON, 64 hexadecimal digits: one number for what was understood.

        The order of kinds and fields counts, for it orders counters; comments and the spelling of numbers do not.
        """
        return hashlib.sha256(canonical_json(self).encode()).hexdigest()


def canonical_json(model: Strict) -> str:
    """Return a model as JSON: keys in the order of schema and file, every default written, ASCII, no spaces."""
    return json.dumps(model.model_dump(mode="json"), separators=(",", ":"), ensure_ascii=True, allow_nan=False)
