"""`daq qc`: what is due, run it, look at it, sign it. Each verb is a module of its own, `daq.cli.qc_<verb>`."""

from __future__ import annotations

import argparse
from importlib import import_module

VERBS: tuple[str, ...] = (
    "due", "run", "enter", "bed-empty", "leave", "analyse", "history", "show", "trend", "report", "sign", "reference",
    "strike", "event", "source", "limits", "import", "export",
)  # fmt: skip
"""In the order of the help; `daq.cli.qc_<verb>` has `add_verb(verbs)`, with `_` for `-`."""


def add_parser(nouns: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the noun `qc` with its verbs."""
    noun = nouns.add_parser("qc", help="quality control: what is due, run, history, trend, sign, report")
    verbs = noun.add_subparsers(metavar="VERB", required=True)
    for verb in VERBS:
        import_module(f"daq.cli.qc_{verb.replace('-', '_')}").add_verb(verbs)
