"""Floods of a simulated camera over months, judged, signed, and in books that are held in memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from daq.model.qc.analyses_camera import FLOOD
from daq.model.qc.documents import Document, QcResult, new_identity
from daq.model.qc.figures import Curve, Figure, Findings, Picture, joined
from daq.model.qc.limits import Advice, Bounds, Limit, QcTest
from daq.qc.fields import FieldOfView
from daq.qc.judging import judged
from daq.qc.uniformity import NEMA_PIXEL_MM, flood_uniformity, pixels_for
from daq.services.qc.abilities import FigureSeries, Kept
from daq.services.qc.entries import assembled
from daq.services.qc.series import rows_of, series_of

FIELD = FieldOfView(540.0, 400.0)
OUTLINES = {"UFOV": (540.0, 400.0), "CFOV": (405.0, 300.0)}
BEGIN = datetime(2031, 3, 3, 6, 40, tzinfo=UTC)


def limit(action: float, suspension: float, counts: float = 1500.0, unit: str = "%") -> Limit:
    return Limit(
        unit=unit, action=Bounds(above=action), suspension=Bounds(above=suspension), counts_needed=counts,
        source="IAEA Human Health Series 6, 2009 (unverified)",
    )  # fmt: skip


TEST = QcTest(
    title="Daily flood, extrinsic, Co-57 sheet", analysis="planar-uniformity", every="day",
    limits={"ufov_integral": limit(6.0, 8.0), "cfov_integral": limit(5.0, 7.0), "ufov_differential": limit(4.0, 5.0)},
    trend={"ufov_integral": 500.0, "peak_kev": 500.0},
    advice=Advice(action="Repeat the flood; if it is beyond again, peak the head and call the physicist."),
)  # fmt: skip


def findings(head: int, seed: int, per_pixel: float = 3600.0, dip: float = 0.0) -> Findings:
    """Analyse a Poisson flood, with a disc as large as a PMT that counts less by the share `dip`."""
    random = np.random.default_rng(seed * 7 + head)
    rows, columns = pixels_for(FIELD)
    y, x = np.mgrid[:rows, :columns]
    y, x = (y - (rows - 1) / 2) * NEMA_PIXEL_MM, (x - (columns - 1) / 2) * NEMA_PIXEL_MM
    expected = per_pixel * (1.0 - dip * np.exp(-((x - 90.0) ** 2 + (y + 45.0) ** 2) / (2 * 30.0**2)))
    expected *= (np.abs(x) <= 275.0) & (np.abs(y) <= 205.0)
    flood = random.poisson(expected).astype(np.float64)
    found = flood_uniformity(flood, pixel_mm=NEMA_PIXEL_MM, field=FIELD)
    figures = [
        Figure.of(name, found.percent(name), "%", noise=found.noise_percent[name], counts=found.counts_per_pixel)
        for name in ("ufov_integral", "ufov_differential", "cfov_integral", "cfov_differential")
    ]
    peak = 122.06 + 0.15 * random.standard_normal()
    figures.append(Figure.of("peak_kev", peak, "keV", noise=0.02, counts=2.0e6))
    energies = np.arange(60.0, 180.0, 1.0)
    counts = random.poisson(9e4 * np.exp(-((energies - peak) ** 2) / (2 * 5.2**2)) + 900.0).astype(np.float64)
    return Findings(
        figures=joined({f"head {head}": tuple(figures)}),
        pictures=(
            Picture(f"Flood, head {head}", flood, "counts", NEMA_PIXEL_MM, dict(OUTLINES)),
        ),
        curves=(
            Curve(f"Spectrum, head {head}", energies, counts, "energy, keV", "counts per keV", None, {"peak": peak}),
        ),
    )  # fmt: skip


def both(seed: int, **other: float) -> Findings:
    """Analyse the floods of two heads, of which the second has the dip."""
    one, two = findings(0, seed, other.get("per_pixel", 3600.0)), findings(1, seed, **other)
    figures = tuple(
        Figure(a.name, a.unit, a.subjects + b.subjects, a.values + b.values, a.noise + b.noise, a.counts + b.counts)
        for a, b in zip(one.figures, two.figures, strict=True)
    )
    return Findings(figures, pictures=one.pictures + two.pictures, curves=one.curves + two.curves)


def result_of(
    found: Findings, at: datetime, *, test: QcTest = TEST, name: str = "daily-flood", simulated: bool = True,
    **other: Any,
) -> Document:  # fmt: skip
    level, sentences, advice = judged(found, test, FLOOD, None)
    told: dict[str, Any] = {
        "test": name, "title": test.title, "analysis": test.analysis, "analysis_version": FLOOD.version,
        "level": level, "figures": found.figures, "judged": sentences,
        "limits": {figure: one.model_dump() for figure, one in test.limits.items()},
        "advice": advice, "remarks": found.remarks, "obstacles": found.obstacles, "collimator": "LEHR",
        "protocol": {"id": "daily-flood", "version": 3, "state": "signed", "sha256": "5" * 64},
        "source": {"nuclide": "Co-57", "serial": "HC-57-1", "form": "sheet", "activity_mbq": 312.4},
        "acquisitions": ({"id": f"{at:%Y%m%dT%H%M%SZ}-a1b2c3", "directory": f"{at:%Y-%m-%d}/{at:%Y%m%dT%H%M%SZ}-a1b2c3",
                          "manifest_sha256": "9" * 64},),
        "calibrations": ({"head": 0, "id": "uniformity-2031-01", "sha256": "7" * 12},),
        "statements": {"bed empty": "A. Technologist"}, "software": "scandaq 0.9", **other,
    }  # fmt: skip
    body = QcResult(**told).to_body()
    at_utc = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return Document(
        new_identity(name, at_utc, body), "result", at_utc, at_utc, "A. Technologist", body, station="one",
        scanner="camera-two-heads", simulated=simulated,
    )  # fmt: skip


def signature_of(result: Document, by: str = "B. Physicist", meaning: str = "reviewed", **body: Any) -> Document:
    told = {"sha256": result.sha256, "meaning": meaning, "comment": "", **body}
    at = result.at_utc.replace("T06", "T08")
    identity = new_identity("signature", at, {**told, "by": by, "about": result.id})
    return Document(identity, "signature", at, at, by, told, about=result.id, station="one", simulated=result.simulated)


def event_of(at: datetime, text: str = "crystal temperature sensor replaced") -> Document:
    at_utc = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    body = {"what": "service", "text": text, "tests": []}
    return Document(new_identity("event", at_utc, body), "event", at_utc, at_utc, "A. Engineer", body, station="one")


@dataclass
class MemoryBooks:
    """Books that are asked by reports and trends alone."""

    documents: list[Document] = field(default_factory=list)

    async def results(
        self, test: str | None = None, *, since_utc: str | None = None, until_utc: str | None = None, limit: int = 1000,
        level: str | None = None,
    ) -> list[Kept]:  # fmt: skip
        chosen = [one for one in self.documents if one.kind == "result" and test in {None, one.body["test"]}]
        chosen = [one for one in chosen if (since_utc or "") <= one.at_utc < (until_utc or "9")]
        chosen = [one for one in chosen if level in {None, one.body["level"]}]
        others = [one for one in self.documents if one.kind in {"signature", "strike"}]
        return assembled(sorted(chosen, key=lambda one: one.at_utc, reverse=True)[:limit], others, now_ms=2**52)

    async def result(self, identity: str) -> Kept:
        return next(kept for kept in await self.results() if kept.document.id == identity)

    async def reference(self, test: str) -> Kept | None:
        return None

    async def events(self, test: str | None = None, *, since_utc: str | None = None) -> list[Document]:
        return [one for one in self.documents if one.kind == "event" and one.at_utc >= (since_utc or "")]

    async def series(
        self, test: str, figure: str, *, since_utc: str | None = None, until_utc: str | None = None
    ) -> FigureSeries:
        kept = await self.results(test, since_utc=since_utc, until_utc=until_utc, limit=10**6)
        return series_of(test, figure, rows_of([one.document for one in kept], figure))


def days(count: int, begin: datetime = BEGIN) -> list[datetime]:
    """Return working days from the first on."""
    found = [begin + timedelta(days=number) for number in range(2 * count)]
    return [day for day in found if day.weekday() < 5][:count]
