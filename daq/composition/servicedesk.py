"""What service asks: controllers by their profiles, calibrations and the steps of their life, what limits the host."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daq.composition import host_findings, lifecyclesteps
from daq.composition.calibrationlist import listed, listed_of_rings
from daq.devices.instruments.wiring import Controllers
from daq.errors import MissingError, RefusedError, ScandaqError
from daq.model.console.service_verbs import CalibrationSign, CalibrationStep, HostHealth
from daq.model.control import Action, ControlProfile, ControlValue, Register
from daq.model.station import Actor
from daq.services.revisions import Revisions
from daq.services.worker import Worker
from device_profiles.lifecycle import read_lifecycle

if TYPE_CHECKING:
    from daq.model.arguments import Arguments
    from daq.model.host import HostFinding
    from device_profiles.schema import InstrumentProfile
    from device_profiles.site import Plug, Site

_READ_S = 30.0
_KEPT_S = 60.0
Handlers = Mapping[str, Callable[[Any, Actor], Awaitable[dict[str, Any]]]]


class ServiceDesk:
    """Answers. `controllers`: those of the site, each with its profile; `instruments`: by what the host is judged."""

    def __init__(
        self, site: Site, controllers: Controllers, instruments: Mapping[str, tuple[Plug, InstrumentProfile]],
        revisions: Revisions,
    ) -> None:  # fmt: skip
        self._site, self._revisions = site, revisions
        self._controllers = {name: _controller(profile) for name, (_, profile) in controllers.items()}
        self._folders = {"heads": site.head_calibrations, "instruments": site.calibrations}
        transports = [
            (profile.transport.rate_max_words_per_s, profile.layout.word_bytes) for _, profile in instruments.values()
        ]
        self._rate, self._word_bytes = max(transports, default=(1e6, 8))
        self._worker = Worker("service", waiting=16)
        self._health: tuple[float, list[HostFinding]] | None = None

    def close(self) -> None:
        """Let the thread end."""
        self._worker.close()

    @property
    def handlers(self) -> Handlers:
        """Return who carries out which verb."""
        return {
            "controllers": self._tell_controllers, "calibrations": self._calibrations, "host-health": self._host,
            "calibration-sign": self._sign, "calibration-activate": self._activate,
            "calibration-roll-back": self._roll_back,
        }  # fmt: skip

    async def _tell_controllers(self, _: Arguments, __: Actor) -> dict[str, Any]:
        return {"controllers": self._controllers}

    async def _host(self, _: HostHealth, __: Actor) -> dict[str, Any]:
        if self._health is None or time.monotonic() - self._health[0] > _KEPT_S:
            found = await self._worker.call_within(_READ_S, self._look)
            self._health = time.monotonic(), found
        at_s, findings = self._health
        told = [{"key": one.key, **one.as_json()} for one in findings]
        return {"findings": told, "age_s": time.monotonic() - at_s, "rate_words_per_s": self._rate}

    def _look(self) -> list[HostFinding]:
        return host_findings(
            rate_words_per_s=self._rate, word_bytes=self._word_bytes, storage=str(self._site.storage),
            measure_disk=False,
        )  # fmt: skip

    async def _calibrations(self, _: Arguments, __: Actor) -> dict[str, Any]:
        return {"folders": await self._worker.call_within(_READ_S, self._listed)}

    def _listed(self) -> list[dict[str, Any]]:
        return [_folder(name, path) for name, path in self._folders.items() if path is not None]

    async def _sign(self, asked: CalibrationSign, actor: Actor) -> dict[str, Any]:
        return await self._stepped(
            asked, lambda folder: (lifecyclesteps.signed(folder, asked.calibration, reason=asked.reason, by=actor.user,
                                                         check=asked.check or None), ""))  # fmt: skip

    async def _activate(self, asked: CalibrationStep, actor: Actor) -> dict[str, Any]:
        return await self._stepped(
            asked,
            lambda folder: lifecyclesteps.activated(folder, asked.calibration, reason=asked.reason, by=actor.user),
        )

    async def _roll_back(self, asked: CalibrationStep, actor: Actor) -> dict[str, Any]:
        return await self._stepped(
            asked,
            lambda folder: lifecyclesteps.rolled_back(folder, asked.calibration, reason=asked.reason, by=actor.user),
        )

    async def _stepped(
        self, asked: CalibrationStep, take: Callable[[Path], tuple[lifecyclesteps.Kept, str]]
    ) -> dict[str, Any]:  # fmt: skip
        folder = self._folders[asked.folder]
        if folder is None:
            raise MissingError(f"this station has no folder of calibrations of {asked.folder}")

        def step() -> tuple[lifecyclesteps.Kept, str]:
            _require_seen(folder, asked)
            return take(folder)

        one, other = await self._worker.call_within(_READ_S, step)
        self._revisions.changed("calibrations")
        return {"calibration": one.id, "of": one.slot, "other": other, **_folder(asked.folder, folder)}


def _require_seen(folder: Path, asked: CalibrationStep) -> None:
    """Refuse a step with a calibration that is another one now than was looked at."""
    there = {one.id: one.sha256 for one in lifecyclesteps.kept_in(folder)}
    if asked.calibration not in there:
        raise MissingError(f"{folder} holds no calibration {asked.calibration!r}")
    if there[asked.calibration] != asked.sha256:
        raise RefusedError(f"{asked.calibration} is not what you looked at: its file has changed since; look again")


def _folder(name: str, path: Path) -> dict[str, Any]:
    """Return the calibrations of a folder; where it cannot be read, why."""
    told: dict[str, Any] = {"folder": name, "path": str(path), "problem": "", "life_cycle": False, "calibrations": []}
    try:
        told["life_cycle"] = path.is_dir() and read_lifecycle(path) is not None
        told["calibrations"] = lifecyclesteps.standing(path) if told["life_cycle"] else _files(name, path)
    except (ScandaqError, OSError) as why:
        told["problem"] = str(why)
    return told


def _files(name: str, path: Path) -> list[dict[str, Any]]:
    """Return calibrations of a folder without a life-cycle: the newest that fits is used."""
    if name == "instruments":
        return [_file(row["id"], row["of"], {"checked": "no", **row}) for row in listed_of_rings(path)]
    return [_file(row["id"] or row["file"], f"{row['head']} {row['kind']}", row) for row in listed(path)]


def _file(calibration: str, of: str, row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "calibration": calibration, "state": row["state"], "of": of, "made": row["made"], "checked": row["checked"],
        "by": None, "at_utc": None, "reason": row["problem"], "sha256": "", "names_check": False,
    }  # fmt: skip


def _controller(profile: ControlProfile) -> dict[str, Any]:
    return {
        "profile": profile.id, "title": profile.title, "verified": profile.verified,
        "channels": list(profile.channels),
        "values": {name: _value(value) for name, value in profile.values.items()},
        "registers": {name: _register(register) for name, register in profile.registers.items()},
        "actions": {name: _action(action) for name, action in profile.actions.items()},
    }  # fmt: skip


def _value(value: ControlValue) -> dict[str, Any]:
    limits = value.limits
    return {
        "of": value.of, "type": value.type, "unit": value.unit or "", "meaning": value.meaning,
        "reads": value.get is not None or value.all is not None, "sets": value.set is not None,
        "hazard": value.hazard, "proven": value.readback is not None,
        "hard": limits.hard, "warn": limits.warn, "alarm": limits.alarm, "guidance": limits.guidance,
    }  # fmt: skip


def _register(register: Register) -> dict[str, Any]:
    return {
        "address": register.address, "words": register.words, "mask": register.mask, "access": register.access,
        "unit": register.unit or "", "meaning": register.meaning, "hazard": register.hazard, "reset": register.reset,
        "effects": [
            name for name in ("fifo", "read_clears", "write_one_clears", "volatile") if getattr(register, name)
        ],
    }  # fmt: skip


def _action(action: Action) -> dict[str, Any]:
    return {"of": action.of, "hazard": action.hazard, "proven": action.confirm is not None, "meaning": action.meaning}
