"""The parts of a live frame, each made of one publication of the readout: scope, counts, spectrum, rates, study ...

A part is what it says of itself, as JSON, and its arrays; a browser keeps of each part the newest.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from daq.composition.liveheads import LiveHeads
from daq.gateway.live.pictures import binned, scaled, upright
from daq.gateway.live.wants import Want, What
from daq.wire.liveframe import Part

Figures = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Made:
    """A part: what it says of itself, and its arrays."""

    about: dict[str, Any]
    arrays: list[Part] = field(default_factory=list)
    is_binned: bool = False


@dataclass(frozen=True, slots=True)
class Given:
    """What parts are made of. `looks`: what the readout says of its figures; `figures`: arrays of one publication.

    `step_name` and `gantry_deg` are those of now.
    """

    looks: Mapping[str, Any]
    figures: Figures
    heads: LiveHeads
    step_name: str
    gantry_deg: float | None


NEEDED: dict[What, tuple[str, ...]] = {
    "scope": ("persistence", "phase"),
    "counts": ("images", "view", "phase"),
    "spectrum": ("spectra", "spectra_recent", "peak_kev", "peak_error_kev", "view", "phase"),
    "energy": ("energy", "phase"),
    "rates": (
        "counts", "rates_per_s", "rate_window_s", "latest_ps", "looked", "view", "window_counts", "window_rates_per_s",
        "head_rates_per_s", "peak_kev", "peak_error_kev", "live_share", "not_converted", "phase",
    ),
    "ring": ("modules", "tof", "axial", "sinogram", "phase"),
    "probe": (
        "probe_counts", "probe_seconds", "probe_rates_per_s", "probe_rate_errors_per_s", "probe_peak_rates_per_s",
    ),
}  # fmt: skip
"""Arrays of the readout's group `looks` that a part is made of, where they are."""


def made(what: What, want: Want, given: Given) -> Made | None:
    """Return a part of the group `looks` as somebody wants it; None where this front end has none."""
    maker = _MAKERS[what]
    return maker(want, given)


def study_part(want: Want, found: Mapping[str, Any], heads: LiveHeads) -> Made | None:
    """Return the pictures of the study, of `LiveView.study()`; None before there is a series."""
    told = found["study"]
    if told is None:
        return None
    if told["series"] is None:
        return Made({"step": told["step"], "series": None, "omitted": told.get("omitted")})
    gantry = (told["slots"]["gantry_deg"] or [None])[-1]
    seen = [heads.seen_in(told["series"], each, gantry) for each in told["heads"]]
    pixels, arrays, factor = told["series"]["pixels"], [], 1
    for place, head in enumerate(seen):
        if not want.wants_head(head["number"]):
            continue
        for at, window in enumerate(told["series"]["windows"] or ["all"]):
            field_mm = _field_in(told["series"], head)
            shown = upright(found["counts"][place, at], pixels, field_mm, turned=False)
            small, factor = binned(shown, want.size)
            whole, scale = scaled(small)
            arrays.append(Part(f"study/{head['number']}/{window}", whole, {
                "head": head["number"], "window": window, "scale": scale, "pixel_mm": pixels["pixel_mm"] * factor,
            }))  # fmt: skip
    if "exposure_ps" in found:
        full = max(float(told["strip"]["full_ps"]), 1.0)
        arrays.append(Part("study/exposure", (found["exposure_ps"][::-1] / full).astype(np.float32)))
    if "intervals" in found:
        arrays.append(Part("study/intervals", found["intervals"]))
    return Made({**told, "heads": seen}, arrays, factor > 1)


def _field_in(series: Mapping[str, Any], head: Mapping[str, Any]) -> tuple[float, float] | None:
    """Return the field of a head as a picture shows it: a strip has all its rows."""
    if head["field_mm"] is None:
        return None
    width, height = head["field_mm"]
    return (width, math.inf) if series["kind"] == "WHOLE BODY" else (width, height)


def _scope(want: Want, given: Given) -> Made | None:
    camera = given.looks["camera"]
    if camera is None or "persistence" not in given.figures:
        return None
    fades = camera["fades_s"]
    fade = min(range(len(fades)), key=lambda at: abs(fades[at] - want.persistence))
    made = _pictures("scope", want, given, given.figures["persistence"][fade])
    made.about["fade_s"] = fades[fade]
    return made


def _counts(want: Want, given: Given) -> Made | None:
    if given.looks["camera"] is None or "images" not in given.figures:
        return None
    made = _pictures("counts", want, given, given.figures["images"])
    made.about["step"] = int(given.figures["view"][0])
    return made


def _pictures(name: str, want: Want, given: Given, images: npt.NDArray[Any]) -> Made:
    """Return the pictures [heads, windows, rows, columns] of the wanted heads in the wanted window."""
    camera = given.looks["camera"]
    window = want.window if want.window in camera["images"] else camera["images"][0]
    at, arrays, seen, factor = camera["images"].index(window), [], [], 1
    for place, number in enumerate(camera["heads"]):
        if not want.wants_head(number):
            continue
        head = given.heads.seen(number, given.step_name, given.gantry_deg)
        shown = upright(images[place, at], camera["frame"], head["field_mm"], turned=given.heads.turned)
        small, factor = binned(shown, want.size)
        whole, scale = scaled(small)
        seen.append(head)
        arrays.append(
            Part(f"{name}/{number}", whole, {"scale": scale, "pixel_mm": camera["frame"]["pixel_mm"] * factor})
        )
    about = {"window": window, "windows": camera["images"], "heads": seen, "phase": _phase(given)}
    return Made(about, arrays, factor > 1)


def _spectrum(want: Want, given: Given) -> Made | None:
    camera = given.looks["camera"]
    if camera is None or "spectra" not in given.figures:
        return None
    kinds = {"spectrum": "spectra", "spectrum/recent": "spectra_recent"}
    arrays = [
        Part(f"{name}/{number}", np.minimum(given.figures[figure][place], 0xFFFFFFFF).astype(np.uint32))
        for name, figure in kinds.items()
        if figure in given.figures
        for place, number in enumerate(camera["heads"])
        if want.wants_head(number)
    ]
    about = {**camera["energy"], "windows": camera["windows"], "heads": camera["heads"], "phase": _phase(given)}
    return Made({**about, "peaks": _peaks(camera, given.figures)}, arrays)


def _peaks(camera: Mapping[str, Any], figures: Figures) -> list[dict[str, Any]]:
    """Return the peaks that are found, by head and window."""
    return [
        {"head": number, "window": window, "kev": float(kev), "error_kev": _number(error)}
        for number, per_window, errors in zip(
            camera["heads"], figures["peak_kev"], figures["peak_error_kev"], strict=True
        )
        for window, kev, error in zip(camera["images"], per_window, errors, strict=True)
        if math.isfinite(kev)
    ]


def _energy(_: Want, given: Given) -> Made | None:
    energy = given.looks["energy"]
    if energy is None:
        return None
    return Made({**energy, "phase": _phase(given)}, [Part("energy/all", given.figures["energy"])])


def _rates(want: Want, given: Given) -> Made | None:
    figures, looks = given.figures, given.looks
    looked = dict(zip(looks["looked"], figures["looked"].tolist(), strict=True))
    about: dict[str, Any] = {
        "window_s": _number(figures["rate_window_s"][0]),
        "latest_s": int(figures["latest_ps"][0]) * 1e-12,
        "counts": dict(zip(looks["counters"], figures["counts"].sum(axis=0).tolist(), strict=True)),
        "rates_cps": _named(looks["counters"], figures["rates_per_s"].sum(axis=0)),
        "looked": looked,
        "phase": _phase(given),
        "heads": [],
    }
    camera = looks["camera"]
    if camera is not None:
        about["step"] = int(figures["view"][0])
        about["heads"] = [
            _of_head(given, place, number)
            for place, number in enumerate(camera["heads"])
            if want.wants_head(number)
        ]  # fmt: skip
    return Made(about)


def _of_head(given: Given, place: int, number: int) -> dict[str, Any]:
    figures, camera = given.figures, given.looks["camera"]
    head = given.heads.seen(number, given.step_name, given.gantry_deg)
    return {
        **head,
        "rate_cps": _number(figures["head_rates_per_s"][place]),
        "windows": [
            {
                "name": name, "rate_cps": _number(figures["window_rates_per_s"][place, at]),
                "counts": int(figures["window_counts"][place, at]),
                "peak_kev": _number(figures["peak_kev"][place, at]),
                "peak_error_kev": _number(figures["peak_error_kev"][place, at]),
            }
            for at, name in enumerate(camera["images"])
        ],
        "live_share": _number(figures["live_share"][place]),
        "not_converted": int(figures["not_converted"][place]),
    }  # fmt: skip


def _ring(_: Want, given: Given) -> Made | None:
    if given.looks["ring"] is None:
        return None
    names = [name for name in NEEDED["ring"] if name in given.figures and name != "phase"]
    return Made(
        {**given.looks["ring"], "phase": _phase(given)}, [Part(f"ring/{name}", given.figures[name]) for name in names]
    )


def _probe(_: Want, given: Given) -> Made | None:
    if given.looks["probe"] is None:
        return None
    return Made(
        dict(given.looks["probe"]),
        [Part(f"probe/{name.removeprefix('probe_')}", given.figures[name]) for name in NEEDED["probe"]],
    )


def _phase(given: Given) -> str | None:
    """Return what the figures are of: nothing, positioning, counting, aside; None where the readout does not say."""
    if "phase" not in given.figures:
        return None
    return str(given.looks["phases"][int(given.figures["phase"][0])])


def _named(names: Iterable[str], values: npt.NDArray[Any]) -> dict[str, float | None]:
    return {name: _number(value) for name, value in zip(names, values.tolist(), strict=True)}


def _number(value: float) -> float | None:
    """Return a number as JSON takes it: None where there is none."""
    return float(value) if math.isfinite(value) else None


_MAKERS: dict[What, Callable[[Want, Given], Made | None]] = {
    "scope": _scope, "counts": _counts, "spectrum": _spectrum, "energy": _energy, "rates": _rates, "ring": _ring,
    "probe": _probe,
}  # fmt: skip
