"""`daq doctor`: what limits this host, and how to mend it."""

from __future__ import annotations

import argparse
import re
from typing import TYPE_CHECKING

from daq.errors import UsageError, VerificationError

if TYPE_CHECKING:
    from daq.model.host import HostFinding

_RATE_WORDS_PER_S = 2e7
_WORD_BYTES = 8
_SCALES = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9}
_SHOWN_CHARACTERS = 44


def add_parser(nouns: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the noun `doctor`."""
    doctor = nouns.add_parser("doctor", help="tell what limits this host and how to mend it")
    doctor.add_argument(
        "--rate",
        metavar="RATE",
        help="words per second to judge by; k, M, G may follow (default: the profile's, or 20M)",
    )
    doctor.add_argument("--profile", metavar="PROFILE", help="judge by this instrument's words and highest rate")
    doctor.add_argument("--storage", metavar="DIR", help="where recordings go (default: recordings)")
    doctor.add_argument(
        "--no-write",
        action="store_true",
        help="do not measure the disk (64 MiB are written), as while a recording runs",
    )
    doctor.add_argument("--json", action="store_true", help="print the result as JSON")
    doctor.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the findings; 6 when nothing can be recorded on this host, else 0."""
    from daq.cli.output import print_json
    from daq.composition import host_findings

    rate, word_bytes = _judged_by(options)
    findings = host_findings(
        rate_words_per_s=rate, word_bytes=word_bytes, storage=options.storage, measure_disk=not options.no_write
    )
    possible = not any(finding.impossible for finding in findings)
    if options.json:
        print_json(
            {
                "recording_possible": possible,
                "rate_words_per_s": rate,
                "word_bytes": word_bytes,
                "findings": {finding.key: finding.as_json() for finding in findings},
            }
        )
    else:
        _print(findings, rate, word_bytes)
    return 0 if possible else VerificationError.exit_code


def _judged_by(options: argparse.Namespace) -> tuple[float, int]:
    """Return the rate in words per second and the bytes of a word."""
    rate, word_bytes = _RATE_WORDS_PER_S, _WORD_BYTES
    if options.profile:
        from device_profiles.load import load_profile

        profile = load_profile(options.profile)
        rate, word_bytes = profile.transport.rate_max_words_per_s, profile.layout.word_bytes
    return (rate if options.rate is None else _rate(options.rate)), word_bytes


def _rate(text: str) -> float:
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?(?:e[0-9]+)?)([kMG]?)", text)
    rate = float(found[1]) * _SCALES[found[2]] if found else 0.0
    if not 0 < rate < float("inf"):
        raise UsageError(f"--rate {text}: must be words per second above zero, such as 500k or 20M")
    return rate


def _print(findings: list[HostFinding], rate: float, word_bytes: int) -> None:
    from daq.cli.output import print_line, print_table

    rows = [[finding.verdict, finding.what, _short(finding.value), finding.want] for finding in findings]
    title = f"This host, for {rate / 1e6:g} M words/s of {word_bytes * 8} bits"
    print_table(title, ["verdict", "what", "found", "wanted"], rows)
    mends = [finding for finding in findings if finding.mend]
    if mends:
        print_line()
        print_line("How to mend it")
    for finding in mends:
        print_line(f"  {finding.what}: {finding.mend}")
    print_line()
    print_line(_sentence(findings))


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[: _SHOWN_CHARACTERS - 3]}..."


def _sentence(findings: list[HostFinding]) -> str:
    """Return the verdict on the whole host in words."""
    blocking = [finding.what for finding in findings if finding.impossible]
    if blocking:
        return f"Nothing can be recorded on this host: {', '.join(blocking)}."
    bad = [finding.what for finding in findings if finding.verdict == "bad"]
    limits = [finding.what for finding in findings if finding.verdict == "limits"]
    if bad:
        return f"This host can record, but loses words at this rate: {', '.join(bad)}."
    if limits:
        return f"This host can record. What limits it: {', '.join(limits)}."
    return "This host can record, and nothing limits it at this rate."
