"""From scanner, windows and calibration to what the readout is told of calibrating, windowing and pairing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from daq.composition.heads import camera_of
from daq.composition.sorting import Said, rule_of, scanner_of, window_of
from daq.errors import MismatchError, RefusedError, UsageError
from daq.listmode.columns import decoded_columns
from daq.model.calibration import Calibration
from daq.model.coincidence import PairingRule, Policy
from daq.model.coincidence_rules import findings
from daq.model.events import AMPLITUDES
from daq.model.finding import errors
from daq.model.headcalibration import HeadCorrections
from daq.model.processing import Processing, StoredSingles
from daq.model.scanner import Ring
from daq.model.windows import EnergyWindow, WindowSet
from daq.storage.recordedprocessing import note_processing
from device_profiles.calibrations import identity_calibration, load_calibration

if TYPE_CHECKING:
    from daq.model.scanner import ScannerProfile
    from daq.storage.manifest import Manifest
    from device_profiles.schema import InstrumentProfile


def processing_of(
    profile: InstrumentProfile, *, windows: Sequence[EnergyWindow] = (), pairing: PairingRule | None = None,
    calibration: Calibration | None = None, ring: Ring | None = None, singles: StoredSingles = "all",
    pairs: bool = True, heads: tuple[HeadCorrections, ...] = (),
) -> Processing:  # fmt: skip
    """Return what is done to the singles of `profile`; refuse what its columns, windows or order cannot give.

    Where something needs energies and there is no calibration it becomes `identity`, which the manifest says.
    """
    processing = Processing(
        calibration=calibration, windows=WindowSet(tuple(windows)).windows, pairing=pairing, ring=ring,
        singles=singles, pairs=pairs, heads=heads,
    )  # fmt: skip
    if processing.is_none:
        return processing.model_copy(update={"ring": None})  # modules are counted where singles are gone through
    is_calibrated = calibration is not None and not calibration.identity
    _require_columns(profile, processing)
    if calibration is not None and calibration.instrument != profile.id:
        raise MismatchError(
            f"calibration {calibration.id} is of instrument {calibration.instrument}, not of {profile.id}"
        )
    if calibration is None and not heads:
        identity = identity_calibration(profile.id, at=datetime.now(UTC), why="no calibration was given")
        processing = processing.model_copy(update={"calibration": identity})
    if is_calibrated and "detector" not in decoded_columns(profile.layout)["singles"]:
        raise MismatchError(f"profile {profile.id} gives no detector numbers: calibration {processing.calibration}")
    processing.pairing_mask  # noqa: B018 - refuses a window that there is not
    return processing


def pairing_of(
    scanner: ScannerProfile | None, *, half_window_ps: int, delay_ps: int | None = None,
    policy: str | Policy = Policy.TAKE_ALL_GOODS, windows: Sequence[str] = (),
    minimum_sector_difference: int | None = None, max_ring_difference: int | None = None,
    timing_sigma_ps: int | None = None,
) -> PairingRule:  # fmt: skip
    """Return the rule by which singles of `scanner` are paired; refuse a scanner without a ring."""
    if scanner is None or scanner.ring is None:
        what = "no scanner is named" if scanner is None else f"scanner {scanner.id} has no ring"
        raise RefusedError(f"singles cannot be paired: {what}, so it is not known which detectors may pair")
    try:
        chosen = Policy(policy)
    except ValueError:
        raise UsageError(f"policy {policy!r}: possible are {', '.join(Policy)}") from None
    return PairingRule(
        half_window_ps=half_window_ps, delay_ps=delay_ps, policy=chosen, windows=tuple(windows), ring=scanner.ring,
        minimum_sector_difference=minimum_sector_difference, max_ring_difference=max_ring_difference,
        timing_sigma_ps=timing_sigma_ps,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line asks to be done to singles: the rule of pairs as text, a calibration file, what is stored.

    Without a half window no pairs are made.
    """

    said: Said
    calibration: str | None = None
    singles: StoredSingles = "all"
    head_calibrations: str | None = None
    """Folder of calibration files of gamma-camera heads."""
    collimator: str | None = None


def asked_of(profile: InstrumentProfile, manifest: Manifest, asked: Asked) -> Processing:
    """Return the processing that the command line asks for; refuse a rule that makes no sense, in words."""
    said = asked.said
    windows = tuple(window_of(text) for text in said.windows)
    pairing = ring = None
    if said.half_window is not None:
        pairing, _ = rule_of(manifest, Processing(), said)
        for finding in errors(findings(pairing)):
            raise RefusedError(str(finding))
    elif said != Said(scanner=said.scanner, windows=said.windows):
        raise UsageError("--delay, --policy and the other options of pairs need --half-window, which asks for pairs")
    scanner = scanner_of(manifest, said.scanner) if said.scanner is not None else None
    if scanner is not None:
        manifest.scanner = scanner.model_dump(mode="json")
    if pairing is None and scanner is not None:
        if scanner.ring is None and not scanner.heads:
            raise RefusedError(f"scanner {scanner.id} has neither a ring nor heads: singles cannot be counted by them")
        ring = scanner.ring
    camera = camera_of(
        profile, scanner, Path(asked.head_calibrations) if asked.head_calibrations else None, windows=windows,
        collimator=asked.collimator,
    )  # fmt: skip
    camera.note(manifest)
    calibration = load_calibration(asked.calibration, instrument=profile.id) if asked.calibration else None
    return processing_of(
        profile, windows=windows, pairing=pairing, calibration=calibration, ring=ring, singles=asked.singles,
        heads=camera.heads,
    )  # fmt: skip


def noted(manifest: Manifest, processing: Processing) -> Manifest:
    """Return the manifest with the processing as it is used, the calibration named besides."""
    copied = manifest.model_copy()
    note_processing(copied, processing)
    return copied


def _require_columns(profile: InstrumentProfile, processing: Processing) -> None:
    """Refuse a layout that gives no singles, or not what the processing needs of them."""
    columns = decoded_columns(profile.layout)
    singles = columns.get("singles", [])
    where = f"profile {profile.id}"
    if not singles:
        raise MismatchError(f"{where} decodes no singles: there is nothing to calibrate, window or pair")
    needs_energy = processing.windows or processing.singles == "windowed" or processing.pairing is not None
    if needs_energy and not {"energy_adc", "energy_kev", AMPLITUDES} & set(singles):
        raise MismatchError(f"{where} gives no energy, which windows and pairs are about")
    if processing.singles == "windowed" and not processing.windows:
        raise RefusedError("singles are to be stored by windows, but no energy window is named")
    if processing.pairing is None:
        if processing.singles == "none":
            raise RefusedError("neither singles nor pairs are to be stored: of events nothing would be kept")
        return
    if "coincidences" in columns:
        raise RefusedError(f"{where} decodes coincidences already: singles cannot be paired beside them")
    if "detector" not in singles:
        raise MismatchError(f"{where} gives no detector numbers: singles cannot be paired")
