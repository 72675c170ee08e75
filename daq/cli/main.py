"""The command `daq`. Nothing heavy is imported before a verb runs: `daq --help` must answer at once."""

from __future__ import annotations

import argparse
import io
import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module

import daq
from daq.errors import ScandaqError

NOUNS = (
    "demo",
    "serve",
    "console",
    "record",
    "probe",
    "acquire",
    "stop-motion",
    "device",
    "alarm",
    "listmode",
    "calibrate",
    "qc",
    "worklist",
    "profile",
    "protocol",
    "catalogue",
    "study",
    "audit",
    "config",
    "doctor",
)
"""Modules of `daq.cli`, with `_` for `-`, that add the command of the same name."""

EXIT_CODES = """exit codes: 0 done · 1 unexpected · 2 usage · 3 refused · 4 not found · 5 unreachable ·
6 ran, and the verdict is FAILED · 7 timed out · 130 interrupted.
A value that begins with a minus is written with =: --region=-30,-20,10,20"""


def build_parser(nouns_wanted: Sequence[str] = NOUNS) -> argparse.ArgumentParser:
    """Return the parser of the whole command line, or of some nouns."""
    parser = argparse.ArgumentParser(
        prog="daq",
        description="Acquire, check and export list-mode data of nuclear-medicine detectors. Not a medical device.",
        epilog=EXIT_CODES,
    )
    parser.add_argument("--version", action="version", version=f"scandaq {daq.__version__}")
    nouns = parser.add_subparsers(metavar="COMMAND", required=True)
    for noun in nouns_wanted:
        import_module(f"daq.cli.{noun.replace('-', '_')}").add_parser(nouns)
    return parser


def _parser_for(arguments: Sequence[str]) -> argparse.ArgumentParser:
    """Return the parser of the noun that is wanted: `daq stop-motion` does not wait for the others to be imported."""
    noun = arguments[0] if arguments else ""
    return build_parser([noun]) if noun in NOUNS else build_parser()


def _writable_streams() -> None:
    """Let output never fail for its characters, nor for a stream that was closed before the start."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115, PTH123 - open to the end
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    _writable_streams()
    try:
        given = sys.argv[1:] if arguments is None else arguments
        options = _parser_for(given).parse_args(given)
        code = int(options.run(options))
        sys.stdout.flush()
    except ScandaqError as error:
        sys.stderr.write(f"daq: {error}\n")
        return error.exit_code
    except KeyboardInterrupt:
        sys.stderr.write("daq: interrupted\n")
        return 128 + signal.SIGINT
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the interpreter complains once more at exit
        return 1
    except OSError as why:
        sys.stderr.write(f"daq: {why.filename or 'input or output'}: {why.strerror or why}\n")
        return 1
    return code
