"""Random lives of a supply: people who raise and lower, wires that spoil, interlocks that open, what fails in it."""

from __future__ import annotations

import asyncio
import contextlib

from hypothesis import example, given, settings
from hypothesis import strategies as st
from support_high_voltage import TECH
from support_machines import Bench, Kept
from support_virtual import VirtualLoop, virtually

from daq.errors import ScandaqError

SPOILS = ("late", "duplicate", "missing", "truncate", "noise", "hang-up")
DEEDS = ("ignore", "obey", "spark", "reboot", "trip", "open-interlock", "close-interlock")
RAISES = st.tuples(st.just("raise"), st.sampled_from([0.69, 0.7, 0.7001, 0.35, 1.0]) | st.floats(0.0, 1.2))
WAITS = st.tuples(st.just("wait"), st.sampled_from([40.0, 5.0, 0.5, 0.03]))
STEPS = st.one_of(
    RAISES,
    WAITS,
    RAISES,
    WAITS,  # more often than what ends them
    st.tuples(st.just("wire"), st.sampled_from(SPOILS)),
    st.tuples(st.just("does"), st.sampled_from(DEEDS)),
    st.tuples(st.sampled_from(["arm", "off", "cover", "deaf"]), st.booleans()),
)
PERMIT = 0.7
"""Of the limit: what a protocol allows here."""


async def _carry_out(bench: Bench, step: tuple[str, object]) -> None:
    limits = bench.kept.limits
    match step:
        case "raise", float(part):
            bench.raising.append(asyncio.create_task(bench.hv.ramp_to(part * limits.max_v, within_s=60, actor=TECH)))
        case "wire", str(kind):
            bench.link.faults.add({"kind": kind, "after": 2, "seconds": 0.3})
        case "does", str(deed) if deed in bench.machine.deeds():
            bench.does(deed)
        case "wait", float(seconds):
            await asyncio.sleep(seconds)
        case "cover", bool(safe):
            bench.safe = safe
        case "deaf", bool(deaf):
            bench.link.deaf = deaf
        case "arm" | "off" as asked, _:
            await (
                bench.hv.arm(TECH, protocol_max_v=PERMIT * limits.max_v) if asked == "arm" else bench.hv.off(within_s=1)
            )


async def _live(bench: Bench, steps: list[tuple[str, object]]) -> None:
    for step in steps:
        with contextlib.suppress(ScandaqError):
            await _carry_out(bench, step)
    for task in bench.raising:
        task.cancel()
    await asyncio.gather(*bench.raising, return_exceptions=True)
    bench.link.faults.clear()
    bench.link.deaf = False
    for deed in ("obey", "close-interlock"):
        if deed in bench.machine.deeds():
            bench.does(deed)
    await bench.hv.off(within_s=120.0)
    assert abs(bench.volts) <= bench.kept.limits.tolerance_v
    most_v = max([0.0, *(volts for _, volts in bench.set_on_the_wire)])
    assert most_v <= max(PERMIT * bench.kept.limits.max_v, bench.supply.least_v) + 1e-9


def lives(machine: Kept, examples: int) -> None:
    """Live so many random lives."""

    @settings(max_examples=examples, deadline=None)
    @given(st.lists(STEPS, max_size=14))
    @example([("raise", 0.69), ("wait", 40.0)])
    @example([("raise", 0.69), ("wait", 0.5), ("wire", "missing")])  # a start that was refused is said again
    def holds(steps: list[tuple[str, object]]) -> None:
        async def main(loop: VirtualLoop) -> None:
            await _live(Bench(machine, loop), [("arm", True), *steps])

        virtually(main)

    holds()
