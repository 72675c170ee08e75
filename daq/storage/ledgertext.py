"""The ledger as text for people: a row per source, the total, what stands beside, and one sentence that says it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

NOT_KNOWN = "not known"
MOST_SOURCES = 20
_FATES = ("gap", "malformed", "ring_full", "shed", "disk")
_COUNTS = ("sent", "gap", "received", "recorded", "malformed", "ring_full", "shed", "disk")
_COLUMNS = ("source", "basis", *_COUNTS, "balanced")
_TOLD = {
    "gap": "never arrived",
    "malformed": "were malformed",
    "ring_full": "arrived and found the buffer full",
    "shed": "were left out under overload",
    "disk": "did not reach the disk",
}
_MANY_PERCENT = 99.999

Source = Mapping[str, Any]


def ledger_text(ledger: Mapping[str, Any] | None) -> str:
    """Return the ledger, as its JSON has it, as a title, tables and a sentence. None: there is no ledger."""
    if ledger is None:
        return f"ledger: {NOT_KNOWN}"
    sources = ledger["sources"]
    shown, note = _worst(sources)
    total = [_total(sources, ledger["balanced"])] if len(sources) > 1 else []
    lines = [f"ledger, in {ledger['unit']}s: {_balance(ledger['balanced'])}", *note]
    lines += _account([*shown, *total])
    lines += _beside([*shown, *total])
    datagrams = _told(ledger.get("socket", {}))
    lines += [f"  beside all sums, in datagrams: {datagrams}"] if datagrams else []
    return "\n".join([*lines, *_sentence(ledger), *_front_end(sources)])


def ledger_sentences(ledger: Mapping[str, Any] | None) -> list[str]:
    """Return what happened to what was sent, in sentences; where there is no ledger, that."""
    if ledger is None:
        return ["There is no ledger: nobody knows what was sent."]
    return [*_sentence(ledger), *_front_end(ledger["sources"])]


def _worst(sources: Sequence[Source]) -> tuple[list[Source], list[str]]:
    """Return the sources to show, of many those that lost most, and a line that says so."""
    if len(sources) <= MOST_SOURCES:
        return list(sources), []
    ranked = sorted(sources, key=lambda s: (s["balanced"] is not False, -_lost(s), s["source"]))
    lossless = not _lost(ranked[0]) and ranked[0]["balanced"] is not False
    which = "the first" if lossless else "those that lost most:"
    return ranked[:MOST_SOURCES], [f"  {which} {MOST_SOURCES} of {len(sources):,} sources, and the total of all"]


def _lost(source: Source) -> int:
    return sum(int(source[fate]) for fate in _FATES)


def _total(sources: Sequence[Source], balanced: bool | None) -> Source:  # noqa: FBT001 - a value of the ledger
    """Return the row of all sources together."""
    bases = {source["basis"] for source in sources}
    beside = {name: sum(int(s["beside"][name]) for s in sources) for name in sources[0]["beside"]}
    return {
        "source": "all",
        "basis": bases.pop() if len(bases) == 1 else "mixed",
        **{name: _sum(source[name] for source in sources) for name in _COUNTS},
        "balanced": balanced,
        "beside": beside,
    }


def _sum(counts: Any) -> int | None:
    """Return the sum, None where one of them is not known."""
    found = list(counts)
    return None if None in found else sum(found)


def _account(rows: Sequence[Source]) -> list[str]:
    """Return the table of the sums; what is missing in percent where something is."""
    columns = list(_COLUMNS)
    table = [[_cell(row[name]) for name in columns] for row in rows]
    if any(row["gap"] for row in rows):
        place = columns.index("gap") + 1
        columns.insert(place, "gap %")
        for cells, row in zip(table, rows, strict=True):
            cells.insert(place, _percent(row["gap"], row["sent"]))
    return _table([name.replace("_", " ") for name in columns], table)


def _beside(rows: Sequence[Source]) -> list[str]:
    """Return the table of what stands beside the sums; nothing where all of it is zero."""
    names = [name for name in (rows[0]["beside"] if rows else ()) if any(row["beside"][name] for row in rows)]
    if not names:
        return []
    table = [[_cell(row["source"]), *(_cell(row["beside"][name]) for name in names)] for row in rows]
    return ["  beside the sums", *_table(["source", *names], table)]


def _told(figures: Mapping[str, int]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {count:,}" for name, count in figures.items() if count)


def _sentence(ledger: Mapping[str, Any]) -> list[str]:
    """Return one sentence that says what happened; none where there is no source."""
    sources = ledger["sources"]
    if not sources:
        return []
    wrong = [source for source in sources if source["balanced"] is False]
    if wrong:
        return [f"The sums of {_names(wrong)} do not hold: a fault of the readout, and nothing follows from them."]
    worse = [source for source in sources if _lost(source)]
    unit = ledger["unit"]
    if not worse:
        return [_all_well(sources, unit)]
    what = [_fate(worse, fate, unit) for fate in _FATES if any(source[fate] for source in worse)]
    who = _names(worse) if len(worse) == 1 else f"{len(worse):,} of {len(sources):,} sources"
    drops = ledger.get("socket", {}).get("kernel_drops", 0)
    kernel = f"; the kernel dropped {_number(drops, 'datagram')} at our socket" if drops else ""
    return [f"{who[:1].upper()}{who[1:]}: {', '.join(what)}{kernel}.{_unknown(sources)}"]


def _front_end(sources: Sequence[Source]) -> list[str]:
    """Return one sentence about frames that say that the front end lost events; none where there are none."""
    every, some = (sum(int(s["beside"].get(name, 0)) for s in sources) for name in ("lost_frames", "lossy_frames"))
    what = [
        f"{part} of the events of {_number(count, 'frame')}"
        for part, count in (("all", every), ("some", some))
        if count
    ]
    return [f"The front end itself lost {' and '.join(what)}."] if what else []


def _all_well(sources: Sequence[Source], unit: str) -> str:
    total = _total(sources, balanced=True)
    who = _names(sources)
    if total["sent"] is None:
        return f"All {_number(total['received'], unit)} that arrived were recorded; nobody knows how many {who} sent."
    if total["sent"] == 0:
        return f"{who[:1].upper()}{who[1:]} sent nothing."
    known = " as far as the numbers of what came tell" if "sequence" in {s["basis"] for s in sources} else ""
    every = f"All {total['sent']:,} {unit}s" if total["sent"] > 1 else f"The one {unit}"
    verb = "were" if total["sent"] > 1 else "was"
    return f"{every} that {who} sent{known} {verb} recorded."


def _fate(worse: Sequence[Source], fate: str, unit: str) -> str:
    """Return `182 of 1,000,000 words (0.018 %) never arrived`."""
    count = sum(int(source[fate]) for source in worse)
    sent = _sum(source["sent"] for source in worse)
    told = _TOLD[fate] if count > 1 else _TOLD[fate].replace("were ", "was ")
    if sent is None:
        return f"{_number(count, unit)} {told}"
    return f"{count:,} of {_number(sent, unit)} ({_percent(count, sent)} %) {told}"


def _unknown(sources: Sequence[Source]) -> str:
    blind = [source for source in sources if source["sent"] is None]
    return f" Nobody knows how much {_names(blind)} sent." if blind else ""


def _names(sources: Sequence[Source]) -> str:
    if len(sources) == 1:
        return f"source {sources[0]['source']}"
    return f"{len(sources):,} sources"


def _number(count: int, unit: str) -> str:
    return f"{count:,} {unit}" + ("" if count == 1 else "s")


def _percent(part: int, whole: int | None) -> str:
    """Return the percentage, never rounded to nothing or to everything."""
    if not whole:
        return "" if whole is None else "0"
    share = 100 * part / whole
    if part and share < 0.001:  # noqa: PLR2004
        return "<0.001"
    if part != whole and share > _MANY_PERCENT:
        return ">99.999"
    return "100" if part == whole else f"{share:.3f}" if part else "0"


def _balance(balanced: bool | None) -> str:  # noqa: FBT001 - a value to put in words, not a switch
    return {True: "balanced", False: "NOT BALANCED", None: "balance not known"}[balanced]


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "NO"
    if value is None:
        return NOT_KNOWN
    return f"{value:,}" if isinstance(value, int) else str(value)


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[i]) for row in [columns, *rows]) for i in range(len(columns))]
    return [("  " + "  ".join(c.rjust(w) for c, w in zip(row, widths, strict=True))) for row in [columns, *rows]]
