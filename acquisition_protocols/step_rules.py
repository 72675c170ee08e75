"""What makes one step of a protocol possible and free of contradiction."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from acquisition_protocols import (
    count_rules,
    gate_rules,
    hand_over_rules,
    motion_rules,
    picture_rules,
    stop_rules,
    study_rules,
)
from daq.model.finding import ABSENT, Finding, Said, error
from daq.model.geometry import View
from daq.model.protocol import PAUSE_BY_KIND, ProtocolKind
from daq.model.protocol_file import ProtocolFile, StepFile
from daq.model.protocol_steps import kind_of

ONE_SIDED = frozenset({"breast", "axilla", "shoulder", "arm", "elbow", "hand", "hip", "leg", "knee", "foot"})
"""Regions that need a laterality."""
MOST_STEPS = 2000
"""With all repetitions."""
_BREAST_VIEWS = (View.CC, View.MLO)
Rule = Callable[[ProtocolFile, StepFile, str], Iterator[Finding]]


def findings(file: ProtocolFile) -> Iterator[Finding]:
    """Yield everything there is to say about the steps."""
    total = sum(1 if step.repeat is None else step.repeat.count for step in file.steps)
    if total > MOST_STEPS:
        yield error("steps", Said(f"{total} steps with all repetitions"), f"at most {MOST_STEPS}")
    names: list[str] = []
    for index, step in enumerate(file.steps):
        key = f"steps[{index}]"
        if step.name in names:
            yield error(f"{key}.name", step.name, "names a step twice")
        names.append(step.name)
        if step.kind == "hand_over":
            yield from hand_over_rules.hand_over(file, step, key)
            continue
        for rule in RULES:
            yield from rule(file, step, key)
    yield from hand_over_rules.hand_overs(file)
    yield from study_rules.roles(file)
    yield from study_rules.sessions(file)
    yield from study_rules.after_injection(file)


def view(file: ProtocolFile, step: StepFile, key: str) -> Iterator[Finding]:
    """Demand a view of everything planar, and a side of breasts and limbs."""
    views = step.views or ((step.view,) if step.view else ())
    if step.view is not None and step.views:
        yield error(f"{key}.views", Said("given"), "has either view or views, one for each head, not both")
    if _is_planar(file, step) and not views:
        reason = f"a planar step says what it sees: one of {', '.join(View)}"
        yield error(f"{key}.view", ABSENT, reason)
    if views and not _is_planar(file, step):
        yield error(f"{key}.view", views[0].value, f"only of planar steps; this one is {kind_of(file, step)}")
    heads = file.instrument.heads
    if step.views and heads is not None and len(step.views) > heads:
        yield error(f"{key}.views", [v.value for v in step.views], f"more views than instrument.heads = {heads}")
    if step.laterality is None and (step.region in ONE_SIDED or any(v in _BREAST_VIEWS for v in views)):
        about = f"region {step.region}" if step.region in ONE_SIDED else f"view {views[0].value}"
        yield error(f"{key}.laterality", ABSENT, f'{about} is of one side of the body: "L" or "R"')


def kind(file: ProtocolFile, step: StepFile, key: str) -> Iterator[Finding]:
    """Demand what a kind needs, refuse what it cannot have."""
    is_a = kind_of(file, step)
    if step.hand_over is not None:
        yield error(f"{key}.hand_over", step.hand_over, 'only with kind = "hand_over"')
    if is_a is ProtocolKind.DYNAMIC and not step.phases:
        yield error(f"{key}.phases", ABSENT, "a dynamic step says its frames: [[steps.phases]] with frames and frame")
    if is_a is not ProtocolKind.DYNAMIC and step.phases:
        yield error(f"{key}.phases", Said("given"), f"only a dynamic step has frames; this one is {is_a}")
    if step.pause is not None and step.pause is not PAUSE_BY_KIND[is_a]:
        yield error(f"{key}.pause", step.pause.value, f"the pause of a {is_a} step means {PAUSE_BY_KIND[is_a]}")


def windows(file: ProtocolFile, step: StepFile, key: str) -> Iterator[Finding]:
    """Demand windows that the protocol has."""
    for index, name in enumerate(step.windows):
        if name not in file.windows:
            known = ", ".join(file.windows) or "none"
            yield error(f"{key}.windows[{index}]", name, f"no such energy window; there are {known}")


def _is_planar(file: ProtocolFile, step: StepFile) -> bool:
    if file.modality != "gamma_camera":
        return False
    is_a = kind_of(file, step)
    turning = step.repeat is not None or step.sweep is not None
    planar = (ProtocolKind.STATIC, ProtocolKind.WHOLE_BODY, ProtocolKind.DYNAMIC)
    return is_a in planar or (is_a is ProtocolKind.GATED and not turning)


RULES: tuple[Rule, ...] = (
    view, kind, gate_rules.gate, gate_rules.frame_zero, stop_rules.stop, windows, motion_rules.motion,
    motion_rules.repeat, hand_over_rules.bed_positions, count_rules.counts, study_rules.role, picture_rules.pictures,
)  # fmt: skip
