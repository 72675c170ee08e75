"""The wait between arming and start: what comes meanwhile is shown where it can be; whatever fails there is let go."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from daq.readout.live import Live
from daq.readout.preview import Preview

_LOG = logging.getLogger(__name__)
_WAIT_S = 0.05
_LEAST_S = 0.005


class Armed:
    """Waits for the start, and shows figures. `preview` is None where nothing comes before the start, or it failed."""

    def __init__(self, live: Live, status: Callable[[], Mapping[str, Any]], preview: Preview | None) -> None:
        """`status` is what is published beside the figures."""
        self._live, self._status = live, status
        self._preview = preview
        self._planned = preview is not None
        self._publishes = True

    def wait(self, started: threading.Event, over: Callable[[], bool]) -> None:
        """Return as soon as `started` is set, or once `over()`, which is asked twenty times a second.

        At most half of the time goes into looking, so that a front end that sends more than can be looked at keeps
        nobody waiting, and has no processor to itself.
        """
        pause_s = 0.0
        while not started.wait(pause_s) and not over():
            began_s = time.monotonic()
            self._show()
            took_s = time.monotonic() - began_s
            due_s = self._live.due_s(time.monotonic_ns()) if self._publishes else _WAIT_S
            pause_s = max(min(due_s, _WAIT_S), took_s, _LEAST_S)

    def figures(self) -> dict[str, Any] | None:
        """Return what the status says of the picture before the start; None where none was planned."""
        preview = self._preview
        if preview is not None:
            return preview.figures()
        return {"state": "failed", "looked_share": 0.0, "warnings": []} if self._planned else None

    def _show(self) -> None:
        """Look and publish. Nothing that goes wrong here has anything to do with the recording: it is said and left."""
        share = 1.0
        try:
            if self._preview is not None:
                self._preview.turn()
                share = self._preview.share
        except Exception:  # noqa: BLE001 - whatever was sent, or is wrong: the recording begins without
            _LOG.exception("no live picture any more before the start")
            self._preview = None
            self._live.show_nothing()
        try:
            if self._publishes:
                self._live.tick_before(time.monotonic_ns(), self._status, share=share)
        except Exception:  # noqa: BLE001 - as above
            _LOG.exception("nothing is shown any more before the start")
            self._publishes = False
