"""Whether the pictures of a step can be made: so many pixels in so many frames must fit into memory."""

from __future__ import annotations

from collections.abc import Iterator

from daq.model.finding import Finding, Said, error
from daq.model.protocol_file import ProtocolFile, StepFile

MOST_PIXELS = 1 << 28
"""Of all frames, heads and windows of a step together, as framing takes them: 1 GiB."""


def pictures(file: ProtocolFile, step: StepFile, key: str) -> Iterator[Finding]:
    """Refuse more pixels than framing makes, in numbers that say what would be fewer."""
    if step.image is None:
        return
    columns, rows = step.image.matrix
    heads = file.instrument.heads or 1
    windows = len(step.windows or file.windows) or 1
    frames = _frames(step)
    pixels = columns * rows * heads * windows * frames
    if pixels > MOST_PIXELS:
        said = Said(f"{columns} x {rows} in {frames:,} frames")
        reason = (
            f"with {heads} heads and {windows} windows {pixels:,} pixels; pictures of a step have at most "
            f"{MOST_PIXELS:,}: fewer frames, windows or pixels"
        )
        yield error(f"{key}.image.matrix", said, reason)


def _frames(step: StepFile) -> int:
    views = step.repeat.count if step.repeat is not None else 1
    if step.sweep is not None and step.sweep.views is not None:
        views = step.sweep.views
    beats = step.gate.bins if step.gate is not None else 1
    return views * beats * (sum(phase.frames for phase in step.phases) or 1)
