"""What an activity gives on a camera: counts of each step, from the closed form of the collimator and from decay.

The activity in front of a head, and what the patient absorbs of it, is nobody's closed form: it is an assumption, one
share, and is said with every figure. Scatter is left out of the windows.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from daq.errors import MissingError, RefusedError
from daq.model.collimator import sensitivity_cps_per_mbq
from daq.model.nuclide_table import nuclide as find_nuclide
from daq.model.nuclides import Nuclide
from daq.model.protocol import ALL, AcquisitionProtocol, CountLimit, ProtocolKind, Step
from daq.model.protocol_estimate import Figure, step_duration
from daq.model.scanner import ScannerProfile
from daq.model.windows import EnergyWindow

VISIBLE = 0.05
"""Share of the activity that a head is taken to see: kept by the body, in the field of view, not absorbed. A bone scan
3 h after the injection: half is kept, a quarter of the body is in the field, a good third is not absorbed."""
ALL_PER_WINDOW = 2.5
"""Events of all energies for one in the windows: what the patient scatters; a judgement, no measurement."""
THICKNESS_MM = 9.5
"""Of NaI(Tl), where neither head nor instrument says it."""
DISTANCE_MM = 100.0
"""From a pinhole to the source; parallel holes let the same share through at every distance."""

_MINUTES_FROM_S = 90.0
_DECAY_ROUNDS = 5
_PS_PER_S = 1e12
_IN_AIR = "syringe"
_UNKNOWN = frozenset({"transmission", "residual", "background", "in_vivo", "ex_vivo"})
"""Roles of which an activity that was given says nothing."""

# NaI of 3.667 g/cm3: attenuation and its photoelectric part, 1/mm, by xraylib 4.3.0 without coherent scattering.
_NAI_KEV = (50.0, 80.0, 100.0, 120.0, 140.0, 160.0, 200.0, 250.0, 300.0, 400.0, 500.0)
_NAI_TOTAL = (3.7324, 1.0497, 0.57795, 0.35972, 0.24503, 0.17873, 0.11073, 0.07384, 0.05625, 0.04032, 0.033136)
_NAI_PHOTO = (3.69, 1.007, 0.536, 0.3188, 0.2052, 0.14, 0.07405, 0.03942, 0.02376, 0.01095, 0.006176)


@dataclass(frozen=True, slots=True)
class Given:
    """An activity in Bq at the injection, and when the first step begins after it. `visible`: see `VISIBLE`."""

    nuclide: Nuclide
    activity_bq: float
    after_s: float
    visible: float = VISIBLE


@dataclass(frozen=True, slots=True)
class Sight:
    """What one of `heads` equal heads counts in each window, per second and Bq in air; `assumes` in sentences."""

    nuclide: Nuclide
    heads: int
    cps_per_bq: Mapping[str, float]
    assumes: tuple[str, ...]

    def of_windows(self, names: tuple[str, ...]) -> float:
        """Return what it counts in some windows together; in all where none is named."""
        return sum(rate for name, rate in self.cps_per_bq.items() if not names or name in names)


def sight(
    protocol: AcquisitionProtocol, scanner: ScannerProfile, thickness_mm: float | None = None,
    collimator: str | None = None,
) -> Sight:  # fmt: skip
    """Return what the heads of a scanner see of the nuclide of a protocol, through a collimator or the protocol's own.

    Raises `RefusedError` for what is no camera with heads, and `MissingError` for a collimator that is not there.
    """
    if protocol.modality != "gamma_camera" or not scanner.heads:
        raise RefusedError(f"protocol {protocol.id}: counts are foretold of gamma cameras with heads alone")
    if protocol.radionuclide is None or not protocol.windows.windows:
        raise RefusedError(f"protocol {protocol.id}: without radionuclide and energy windows no counts are foretold")
    source = find_nuclide(protocol.radionuclide)
    energies = [_lines(source, window)[0] or 0.0 for window in protocol.windows.windows]
    name, told_of = _collimator(protocol, scanner, collimator, max(energies))
    crystal = scanner.heads[0].crystal
    thick_mm = thickness_mm or (None if crystal is None else crystal.thickness_mm) or THICKNESS_MM
    rates: dict[str, float] = {}
    for window in protocol.windows.windows:
        energy_kev, share = _lines(source, window)
        counted = 0.0 if energy_kev is None else _photopeak(energy_kev, thick_mm)
        rates[window.name] = 0.0 if energy_kev is None else 1e-6 * sensitivity_cps_per_mbq(
            scanner.collimators[name], energy_kev, DISTANCE_MM, photons_per_decay=share, counted_share=counted
        )  # fmt: skip
    told = ", ".join(f"{1e6 * rate:.3g} cps/MBq in {window}" for window, rate in rates.items() if rate)
    if not told:
        raise RefusedError(f"protocol {protocol.id}: no line of {source.name} is in any of its windows")
    form = f"a head with {name} counts {told}, in air, by the closed form of its holes and {thick_mm:g} mm of NaI"
    assumes = (*told_of, f"{form}; of Compton scattered photons in the crystal none")
    return Sight(source, len(scanner.heads), rates, assumes)


def _collimator(
    protocol: AcquisitionProtocol, scanner: ScannerProfile, said: str | None, most_kev: float
) -> tuple[str, tuple[str, ...]]:  # fmt: skip
    """Return a collimator: that which is said, else the protocol's, else the first that suits its lines, in words."""
    wanted = (said,) if said is not None else protocol.requirements.collimators
    name = next((each for each in wanted if each in scanner.collimators), None)
    if name is not None:
        return name, ()
    there = f"scanner {scanner.id} has the collimators {', '.join(scanner.collimators) or 'none'}"
    if said is not None:
        raise MissingError(f"no collimator {said}; {there}")
    if wanted:
        raise MissingError(f"protocol {protocol.id} wants {' or '.join(wanted)}; {there}")
    if protocol.kind is ProtocolKind.QC_FLOOD:
        raise RefusedError(f"protocol {protocol.id} is a flood without collimator: what counts then is the distance")
    suits = [each for each, its in scanner.collimators.items() if most_kev <= its.energy_max_kev]
    if not suits:
        raise MissingError(f"protocol {protocol.id} names no collimator, and none suits {most_kev:g} keV; {there}")
    return suits[0], (
        f"the protocol names no collimator: {suits[0]} is taken, the scanner's first up to these energies",
    )


@dataclass(frozen=True, slots=True)
class StepCounts:
    """What one step is expected to give. `begins_s`: after the injection. `per_head`: counts of a head in its windows.

    None where it is not known. `doubts`: what a person should know before beginning, in sentences.
    """

    name: str
    key: str
    begins_s: float
    takes_s: float | None
    per_head: float | None
    doubts: tuple[str, ...] = ()


def with_rates(
    protocol: AcquisitionProtocol, given: Given, seen: Sight
) -> tuple[AcquisitionProtocol, tuple[StepCounts, ...]]:
    """Return the protocol with the rates that an activity gives in each step, and what each of them counts.

    A step begins when the one before has ended, moves and waiting left out; the first of a further session at the
    earliest that it may after the injection. Unknown rates are None.
    """
    steps: list[Step] = []
    counts: list[StepCounts] = []
    took: dict[str, Figure] = {}
    at_s = given.after_s
    for step in protocol.steps:
        if steps and step.session != steps[-1].session and step.after_injection_s is not None:
            at_s = max(at_s, step.after_injection_s[0])
        made, per_head_cps = _with_rates(step, given, seen, at_s, took)
        takes = took[step.name] = step_duration(made, took)
        per_head = None if per_head_cps is None or takes.value is None else per_head_cps * takes.value
        doubts = (*_too_late(made), *_too_few(made, takes.value), *_not_then(made, at_s))
        counts.append(StepCounts(step.name, step.key, at_s, takes.value, per_head, doubts))
        steps.append(made)
        at_s += takes.value or 0.0
    return replace(protocol, steps=tuple(steps)), tuple(counts)


def _with_rates(
    step: Step, given: Given, seen: Sight, at_s: float, took: Mapping[str, Figure]
) -> tuple[Step, float | None]:
    """Return a step with its rates, and the mean rate of one head in the windows of the step."""
    if step.role in _UNKNOWN:
        return replace(step, expected_rate_cps=None), None
    visible = 1.0 if step.role == _IN_AIR else given.visible
    first_bq = visible * given.activity_bq * given.nuclide.activity_factor(at_s)

    def limited(said: CountLimit | None, bq: float) -> CountLimit | None:
        if said is None or said.region_mm is not None:
            return said
        each = ALL_PER_WINDOW * seen.of_windows(()) if said.window == ALL else seen.cps_per_bq.get(said.window, 0.0)
        return replace(said, expected_rate_cps=bq * each * (seen.heads if said.head == "sum" else 1) or None)

    mean_bq, made = first_bq, step
    for _ in range(_DECAY_ROUNDS):  # how long counts take depends on how much decays meanwhile
        made = replace(step, stop=replace(step.stop, counts=limited(step.stop.counts, mean_bq)))
        lasts_s = step_duration(made, took).value or 0.0
        mean_bq = given.nuclide.decays_between(first_bq, 0.0, lasts_s) / lasts_s if lasts_s > 0 else first_bq
    made = replace(made, minimum_counts=limited(step.minimum_counts, mean_bq))
    recorded = mean_bq * seen.heads * ALL_PER_WINDOW * seen.of_windows(())
    return replace(made, expected_rate_cps=recorded), mean_bq * seen.of_windows(step.windows)


def _too_late(step: Step) -> Iterator[str]:
    wanted, host_ps = step.stop.counts, step.stop.host_ps
    if wanted is None or host_ps is None or wanted.expected_rate_cps is None:
        return
    backstop_s = host_ps / _PS_PER_S
    counts = wanted.expected_rate_cps * backstop_s
    if counts < wanted.limit:
        told = f"with about {counts:,.0f} of the {wanted.limit:,} counts"
        yield f"the backstop ends it after {spoken(backstop_s)}, {told}"


def _too_few(step: Step, lasts_s: float | None) -> Iterator[str]:
    least = step.minimum_counts
    if least is None or lasts_s is None or least.expected_rate_cps is None:
        return
    counts = least.expected_rate_cps * lasts_s
    if counts < least.limit:
        yield f"about {counts:,.0f} counts are expected, and it needs {least}"


def _not_then(step: Step, at_s: float) -> Iterator[str]:
    if step.after_injection_s is None:
        return
    earliest, latest = step.after_injection_s
    if not earliest <= at_s <= latest:
        yield f"begins {spoken(at_s)} after the injection; it should be {spoken(earliest)} to {spoken(latest)}"


def spoken(seconds: float) -> str:
    """Return a time for people: 40 s, 25 min, 3 h 10 min."""
    minutes = round(seconds / 60)
    if seconds < _MINUTES_FROM_S:
        return f"{seconds:g} s"
    hours, rest = divmod(minutes, 60)
    return f"{minutes} min" if not hours else f"{hours} h" + (f" {rest} min" if rest else "")


def _lines(source: Nuclide, window: EnergyWindow) -> tuple[float | None, float]:
    """Return the mean energy of the lines in a window, None where there are none, and their photons per decay."""
    inside = [line for line in source.lines if window.lower_kev <= line.energy_kev < window.upper_kev]
    total = sum(line.per_100_decays for line in inside)
    if not total:
        return None, 0.0
    return sum(line.energy_kev * line.per_100_decays for line in inside) / total, total / 100.0


def _photopeak(energy_kev: float, thickness_mm: float) -> float:
    """Return the share of the photons that hit the crystal which give all their energy to it at once."""
    total, photo = (_between(energy_kev, listed) for listed in (_NAI_TOTAL, _NAI_PHOTO))
    return (1.0 - math.exp(-total * thickness_mm)) * photo / total


def _between(energy_kev: float, listed: tuple[float, ...]) -> float:
    """Return a coefficient by logarithms between the energies listed; beyond them that of the last one."""
    at = min(max(energy_kev, _NAI_KEV[0]), _NAI_KEV[-1])
    index = next(i for i in range(1, len(_NAI_KEV)) if at <= _NAI_KEV[i])
    low, high = _NAI_KEV[index - 1], _NAI_KEV[index]
    part = math.log(at / low) / math.log(high / low)
    return math.exp((1 - part) * math.log(listed[index - 1]) + part * math.log(listed[index]))
