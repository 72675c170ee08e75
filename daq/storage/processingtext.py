"""What was done to singles and what came of it, from the manifest: for `daq listmode info`, as data and as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from daq.storage.manifest import Manifest

_PS_PER_NS = 1000
_OF_HEADS = ("heads", "left_out", "collimator")


def processing_info(manifest: Manifest) -> dict[str, Any] | None:
    """Return windows, pairing rule, calibration by name, what was stored and counted; None where nothing was done.

    The tables of the calibration and the ring, which are long, are left to the manifest.
    """
    done = manifest.processing
    if done is None:
        return None
    rule = done.get("pairing")
    return {
        "calibration": manifest.calibrations.get("singles"),
        "heads": {key: manifest.calibrations[key] for key in _OF_HEADS if key in manifest.calibrations} or None,
        "windows": done.get("windows", []),
        "pairing": None if rule is None else {key: value for key, value in rule.items() if key != "ring"},
        "stored": {"singles": done.get("singles"), "pairs": done.get("pairs")},
        "counters": manifest.counters,
    }


def processing_text(info: dict[str, Any] | None) -> str:
    """Return a block of lines: calibration, windows with their singles, the rule, prompts and delayeds."""
    if info is None:
        return ""
    counted, paired = info["counters"].get("windows", {}), info["counters"].get("pairing", {})
    lines = _heads(info["heads"])
    if "heads" not in (info["heads"] or {}):
        lines.append(("calibration", _calibration(info["calibration"])))
    for window in info["windows"]:
        came = counted.get(window["name"])
        singles = "" if came is None else f": {came:,} singles"
        lines.append(("window", f"{window['name']}, {window['lower_kev']:g} to {window['upper_kev']:g} keV{singles}"))
    if info["pairing"] is not None:
        lines.append(("pairs", _rule(info["pairing"])))
        lines += [(name, f"{paired[name]:,}") for name in ("prompts", "delayeds", "unpaired") if name in paired]
    wide = max(len(name) for name, _ in lines)
    return "\n".join(["singles and pairs", *(f"  {name:<{wide}}  {text}" for name, text in lines)])


def _heads(said: dict[str, Any] | None) -> list[tuple[str, str]]:
    """Return a line for each calibration of a head that was used, and for each that was not."""
    if said is None:
        return []
    lines = [("collimator", str(said["collimator"]))] if said.get("collimator") else []
    for used in said.get("heads", ()):
        checked = f", checked {used['verified_utc']}" if used.get("verified_utc") else ", not checked"
        state = f", {used['state']}" if used.get("state") else ""
        text = f"{used['kind']} {used['id']} of serial number {used['serial']}, made {used['made_utc']}{checked}{state}"
        lines.append((f"head {used['head']}", text))
    return [*lines, *(("not used", why) for why in said.get("left_out", ()))]


def _calibration(said: dict[str, Any] | None) -> str:
    if said is None:
        return "none"
    if said.get("identity"):
        return "identity: times as they came, energies as the front end gives them"
    return f"{said.get('id')}, made {said.get('made_utc')}"


def _rule(rule: dict[str, Any]) -> str:
    """Return the rule in words: `half window 3.2 ns, delay 100 ns, takeAllGoods, windows photopeak`."""
    delay_ps = rule.get("delay_ps")
    parts = [
        f"half window {rule['half_window_ps'] / _PS_PER_NS:g} ns",
        "no delayed window" if delay_ps is None else f"delay {delay_ps / _PS_PER_NS:g} ns",
        str(rule["policy"]),
    ]
    if rule.get("windows"):
        parts.append(f"singles of {', '.join(rule['windows'])}")
    return ", ".join(parts)
