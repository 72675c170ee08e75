"""A head that fell silent while others go on: what is left of SPECT without it is for a person to decide."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from daq.model.protocol import PauseMeaning, Step


class LostHeads:
    """Remembers with which silent front-end sources a person has gone on."""

    def __init__(self) -> None:
        self._without: frozenset[int] = frozenset()

    def why_pause(self, step: Step | None, status: Mapping[str, Any]) -> str | None:
        """Return in words why not to go on to the next step of the same study after this one; once for each head.

        Only for steps that belong together, as the stops of SPECT do: a missing view of one head cannot be made good
        when the others have gone on. A static view that is short of a head is repeated.
        """
        silent = frozenset(int(source) for source in status.get("silent_sources") or ())
        new, self._without = silent - self._without, silent
        if not new or step is None or step.pause is not PauseMeaning.FINISH_STEP:
            return None
        which = " and ".join(str(source) for source in sorted(new))
        return (
            f"paused after {step.name!r}: nothing comes from a part of the detector (source {which} of its "
            "electronics); have it mended, then resume; or stop"
        )
