"""The record of a sentinel node procedure: nodes numbered, in vivo and ex vivo, background, the bed, the 10 % rule.

Measurements come in order of time. Each in vivo begins a node; an ex vivo is that of the node before it, or of a new
one where that has been measured already. Rates are corrected for dead time and net of the newest background before.
A bed that was measured before a later node says nothing any more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from daq.pipeline.probe import NO_RATE, Net, Node, Rate, TenPercent, corrected, net, rate_of, ten_percent

_BELIEVED_SIGMAS = 3.0
"""A node is said to be above background from so many standard deviations on."""


@dataclass(frozen=True, slots=True)
class Counted:
    """One measurement. `role`: background, in_vivo, ex_vivo or bed; `every`: all pulses of the input, in a window or
    not; `seconds`: by the probe's clock. `where` names it for people.
    """  # noqa: D205

    role: str
    where: str
    counts: int
    every: int
    seconds: float
    label: str = ""

    def true(self, dead_s: float) -> Rate:
        """Return the rate corrected for the dead time; raise `UsageError` for no time, or a rate that cannot be."""
        return corrected(rate_of(self.counts, self.seconds), dead_s, every_per_s=self.every / self.seconds)


@dataclass(frozen=True, slots=True)
class NodeSeen:
    """A node with what was measured of it, per second and net of background; None what was not."""

    number: int
    label: str = ""
    in_vivo: Net | None = None
    ex_vivo: Net | None = None

    @property
    def name(self) -> str:
        """Return its number, with its label where it has one."""
        return f"{self.number} ({self.label})" if self.label else str(self.number)


@dataclass(frozen=True, slots=True)
class ProbeRecord:
    """What the procedure found. `rule` is None until a node was measured ex vivo, and after it the bed."""

    nodes: tuple[NodeSeen, ...] = ()
    background: Rate | None = None
    bed: Net | None = None
    rule: TenPercent | None = None
    doubts: tuple[str, ...] = field(default=())

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data, rates per second."""
        rule = self.rule
        return {
            "background_per_s": None if self.background is None else self.background.per_s,
            "bed_per_s": None if self.bed is None else self.bed.per_s,
            "nodes": [
                {"number": node.number, "label": node.label, "in_vivo": _plain(node.in_vivo),
                 "ex_vivo": _plain(node.ex_vivo)} for node in self.nodes
            ],
            "hottest": None if rule is None else rule.hottest.name,
            "limit_per_s": None if rule is None else rule.limit_per_s,
            "sentinel": None if rule is None else [node.name for node in rule.sentinel],
            "go_on": None if rule is None else rule.go_on,
            "doubts": list(self.doubts),
        }  # fmt: skip


def record_of(measured: Sequence[Counted], dead_s: float) -> ProbeRecord:
    """Return the record of measurements in order of time; raise `UsageError` for rates that cannot be."""
    record = ProbeRecord()
    for each in measured:
        rate = each.true(dead_s)
        if each.role == "background":
            record = replace(record, background=rate)
            continue
        above = net(rate, record.background or NO_RATE)
        if each.role == "bed":
            record = replace(record, bed=above)
        elif each.role in ("in_vivo", "ex_vivo"):
            record = replace(record, nodes=_with(record.nodes, each, above), bed=None)
    return replace(record, rule=_rule(record), doubts=tuple(_doubts(record)))


def _with(nodes: tuple[NodeSeen, ...], counted: Counted, above: Net) -> tuple[NodeSeen, ...]:
    last = nodes[-1] if nodes else None
    if counted.role == "ex_vivo" and last is not None and last.ex_vivo is None:
        return (*nodes[:-1], replace(last, ex_vivo=above, label=last.label or counted.label))
    new = NodeSeen(len(nodes) + 1, counted.label)
    return (*nodes, replace(new, in_vivo=above) if counted.role == "in_vivo" else replace(new, ex_vivo=above))


def _rule(record: ProbeRecord) -> TenPercent | None:
    taken = [Node(node.name, node.ex_vivo.per_s) for node in record.nodes if node.ex_vivo is not None]
    if record.bed is None or not any(node.ex_vivo_per_s > 0 for node in taken):
        return None
    return ten_percent(taken, record.bed.per_s)


def _doubts(record: ProbeRecord) -> list[str]:
    """Return in words what is missing, or within the noise."""
    said = [] if record.background is not None else ["no background was measured: rates are not net"]
    for node in record.nodes:
        if node.ex_vivo is None:
            said.append(f"node {node.name} was not measured ex vivo")
        elif node.ex_vivo.sigmas < _BELIEVED_SIGMAS:
            said.append(f"node {node.name} is {node.ex_vivo.sigmas:.1f} standard deviations above background")
    if not record.nodes:
        said.append("no node was measured")
    elif record.bed is None:
        said.append("the bed was not measured after the last node: what is left in it is not known")
    return said


def _plain(value: Net | None) -> dict[str, float] | None:
    return None if value is None else {"per_s": value.per_s, "error_per_s": value.error_per_s, "sigmas": value.sigmas}
