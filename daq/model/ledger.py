"""The ledger: every event word the front end sent, by what became of it.

Per source, in its counting unit (word, event or frame):

    wire   sent     = received + gap
    host   received = recorded + malformed + ring_full + shed + disk

`recorded` is durable in raw, or, without raw, units whose decoded result is durably written or counted as excluded.
`malformed` are units received that are no words of the layout (unknown tag, digit out of range, cut in the
middle); a raw recording keeps them byte for byte all the same. Photons lost inside the detector never became
words and are not here.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, computed_field

Basis = Literal["counter", "sequence", "stream", "none"]
"""How `sent` is known: a counter of the front end; sequence numbers up to the last packet that came; a stream that
cannot lose (TCP, file); not at all."""

Count = Annotated[int, Field(ge=0)]


class Socket(BaseModel):
    """What one socket knows and no source: datagrams, beside every sum."""

    model_config = ConfigDict(extra="forbid")

    kernel_drops: Count = 0
    """Datagrams the kernel dropped at our socket; they explain gaps."""
    foreign: Count = 0
    """Datagrams that no source can be made of: another sender's, or not of the framing; frames of a unit that the
    profile does not name."""
    replies: Count = 0
    """Replies to commands that came too late, twice, or to a command nobody sent."""


class Beside(BaseModel):
    """Figures that explain the sum of a source and are never in it."""

    model_config = ConfigDict(extra="forbid")

    duplicates: Count = 0
    """Units received a second time."""
    late: Count = 0
    excluded: Count = 0
    """Units decoded and deliberately not stored as rows."""
    untimed: Count = 0
    """Events before the first time word."""
    unpaired: Count = 0
    lossy_frames: Count = 0
    """Frames that say that the front end lost some of their events; how many, nobody knows."""
    lost_frames: Count = 0
    """Frames without events that say that the front end lost all of them."""
    idle_frames: Count = 0
    """Frames without events, of which nothing was lost."""
    events: Count = 0
    """Events in frames, where frames are counted."""
    malformed_events: Count = 0
    """Events in good frames that are no words of the layout."""


class SourceLedger(BaseModel):
    """The account of one source. `sent` is None when `basis` is `none`."""

    model_config = ConfigDict(extra="forbid")

    source: Count
    basis: Basis
    sent: Count | None
    gap: Count = 0
    received: Count = 0
    recorded: Count = 0
    malformed: Count = 0
    ring_full: Count = 0
    shed: Count = 0
    disk: Count = 0
    beside: Beside = Beside()

    @computed_field  # type: ignore[prop-decorator]
    @property
    def balanced(self) -> bool | None:
        """True when both sums hold; None when what was sent cannot be known."""
        if self.received != self.recorded + self.malformed + self.ring_full + self.shed + self.disk:
            return False
        return None if self.sent is None else self.sent == self.received + self.gap


class Ledger(BaseModel):
    """All sources of one acquisition."""

    model_config = ConfigDict(extra="forbid")

    unit: Literal["word", "event", "frame"]
    sources: tuple[SourceLedger, ...] = ()
    socket: Socket = Socket()

    @computed_field  # type: ignore[prop-decorator]
    @property
    def balanced(self) -> bool | None:
        """False if any source is out of balance, None if one cannot be judged, else True."""
        verdicts = {source.balanced for source in self.sources}
        if False in verdicts:
            return False
        return None if None in verdicts else True
