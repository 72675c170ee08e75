"""Which verbs act on the scanner now: at a console only whoever holds control may ask for them."""

from __future__ import annotations

CONTROLLED = frozenset({
    "prepare", "start", "pause", "resume", "end-step", "acknowledge", "renew-arming", "injected-now", "hand-over",
    "confirm", "home", "retreat", "mark", "clear", "set", "act", "arm-voltage", "raise-voltage", "bed-empty", "qc-run",
    "qc-begin", "qc-go-on", "qc-leave", "take-views", "energy-window", "repeak", "simulate",
})  # fmt: skip
"""Never what stops or lowers something (`daq.model.verbs.ALWAYS`), and nothing that only writes into books or lists."""
