"""Which protocol is proposed for a requested procedure: by a table of the site file, and by nothing that is guessed."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from daq.model.console.worklist import ScheduledStep

EMERGENCY = "emergency"
"""Procedure of entries that are made for somebody who cannot wait."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A protocol's id, None where none is proposed; `words` say why it is, or why not."""

    protocol: str | None
    words: str


def proposed(step: ScheduledStep, table: Mapping[str, str], known: Collection[str]) -> Proposal:
    """Return the protocol for a step. `table`: code or words of a procedure, and the id of a protocol; `known`: ids.

    The entry's own protocol comes first, then the code, then the description, then words that it holds; the longest.
    """
    if step.protocol is not None:
        return _there(step.protocol, "the worklist names it", known)
    code = step.code.code_value if step.code is not None else ""
    scheme = step.code.coding_scheme_designator if step.code is not None else ""
    small = {key.casefold(): protocol for key, protocol in table.items()}
    for name in filter(None, (f"{scheme}:{code}" if code else "", code, step.procedure_id)):
        if (protocol := small.get(name.casefold())) is not None:
            return _there(protocol, f"for code {name}", known)
    texts = [text.casefold() for text in (step.procedure, step.step_description, step.title) if text]
    for text in texts:
        if (protocol := small.get(text)) is not None:
            return _there(protocol, "for this procedure", known)
    held = [key for key in small if any(re.search(rf"(?<!\w){re.escape(key)}(?!\w)", text) for text in texts)]
    if held:
        key = max(held, key=len)
        return _there(small[key], f"for procedures with the words {key!r}", known)
    if not texts and not code:
        return Proposal(None, "the entry does not say what is to be done: choose a protocol")
    return Proposal(None, "the site file names no protocol for this procedure: choose one")


def _there(protocol: str, why: str, known: Collection[str]) -> Proposal:
    if protocol in known:
        return Proposal(protocol, why)
    return Proposal(None, f"{protocol} is proposed ({why}), and this station has no such protocol: choose one")
