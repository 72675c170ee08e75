"""`daq study`: studies and what is made of them. Every module named here adds verbs of its own."""

from __future__ import annotations

import argparse
from importlib import import_module

_MODULES = ("daq.cli.study_list", "daq.cli.study_pictures", "daq.cli.study_show", "daq.cli.study_results")


def add_parser(nouns: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the noun `study` with its verbs."""
    noun = nouns.add_parser("study", help="find studies; their pictures, verdicts and results")
    verbs = noun.add_subparsers(metavar="VERB", required=True)
    for module in _MODULES:
        import_module(module).add_verbs(verbs)
