"""A body with a bone tracer: what is in bones, blood, kidneys and bladder from the injection on, and where foci are.

Shares are chosen to look as pictures look: bone takes up a third in hours, the kidneys pass the rest into the bladder,
which has been emptied, and the blood of the first minutes fades.
"""

from __future__ import annotations

from daq.errors import UsageError
from simulators.camera.body import AIR, BONE, LUNG, SPONGY, WATER, Body, Organ, organ
from simulators.camera.bones import bones, both, outline
from simulators.camera.solids import Solid, ball, disc, rod

Curve = tuple[tuple[float, float], ...]

_HOUR = 3600.0
BONE_CURVE: Curve = ((0, 0.0), (60, 0.01), (300, 0.05), (_HOUR, 0.22), (3 * _HOUR, 0.33), (24 * _HOUR, 0.36))
BLOOD_CURVE: Curve = (
    (0, 0.0), (15, 0.95), (60, 0.9), (300, 0.68), (_HOUR, 0.24), (3 * _HOUR, 0.09), (24 * _HOUR, 0.02)
)  # fmt: skip
KIDNEY_CURVE: Curve = ((0, 0.0), (40, 0.03), (300, 0.08), (_HOUR, 0.035), (3 * _HOUR, 0.014), (24 * _HOUR, 0.004))
BLADDER_CURVE: Curve = ((0, 0.0), (120, 0.002), (_HOUR, 0.02), (3 * _HOUR, 0.014), (24 * _HOUR, 0.01))
LESION_CURVE: Curve = ((0, 0.0), (20, 0.15), (300, 0.35), (_HOUR, 0.7), (3 * _HOUR, 1.0), (24 * _HOUR, 1.1))
"""Of a focus, over what it has after three hours: it is well supplied with blood, and seen in the first pass."""


_HEART = ball((24, -24, -476), (44, 42, 52))
_KIDNEYS = [
    ball((66, 58, -628), (26, 20, 50), tilt_deg=(0, -10, 0)), ball((-66, 58, -642), (26, 20, 50), tilt_deg=(0, 10, 0))
]  # fmt: skip
MARROW = 0.6
"""Bones that take up more are taken as full of marrow, others as mostly rind."""


def times(curve: Curve, factor: float) -> Curve:
    """Return a curve that is so many times as high."""
    return tuple((at_s, share * factor) for at_s, share in curve)


def stuff(bone: list[tuple[Solid, float]]) -> tuple[tuple[Solid, float], ...]:
    """Return what attenuates: soft tissue, lungs, bones."""
    lungs = both([ball((70, 12, -452), (54, 76, 124))])
    return (
        *((solid, WATER) for solid in outline()), *((solid, LUNG) for solid in lungs), (_HEART, WATER),
        *((solid, SPONGY if dense > MARROW else BONE) for solid, dense in bone),
        (ball((0, 8, -92), (66, 84, 82)), WATER), (disc((0, -34, -186), (14, 16, 30)), AIR),
    )  # fmt: skip


LESIONS: dict[str, tuple[Solid, float]] = {
    "lesion in front, fourth rib on the left": (ball((95, -50, -436), (12, 9, 9)), 0.0026),
    "lesion in front, sternum": (ball((4, -85, -470), (11, 7, 12)), 0.0020),
    "lesion at the back, ninth rib on the right": (ball((-95, 75, -498), (12, 9, 9)), 0.0024),
    "lesion at the back, second lumbar vertebra": (ball((-12, 66, -612), (14, 14, 13)), 0.0034),
    "lesion at the back, ilium on the right": (ball((-66, 58, -765), (17, 11, 17)), 0.0034),
    "lesion in the right femur": (rod((-126, 20, -985), (-118, 18, -1050), 15.0), 0.0036),
    "lesion of the skull, on the left at the back": (ball((46, 66, -52), (13, 13, 13)), 0.0018),
    "injection site, left elbow": (ball((200, 2, -640), (9, 7, 12)), 0.0016),
}
"""Shares of the injected activity after three hours; no two sides of the body have the same."""


def skeleton(*, lesions: float = 1.0, bone: float = 1.0) -> Body:
    """Return the body; `lesions` and `bone` times as much uptake as usual. Raises `UsageError`."""
    if lesions < 0 or bone < 0:
        raise UsageError(f"skeleton of lesions {lesions:g}, bone {bone:g}: must be zero or more")
    found = bones()
    soft = organ("blood and soft tissue", outline(), BLOOD_CURVE)
    solids, dense = [solid for solid, _ in found], [weight for _, weight in found]
    organs: list[Organ] = [
        organ("bone", solids, times(BONE_CURVE, bone), weights=dense), soft,
        organ("blood in the heart", [_HEART], times(BLOOD_CURVE, 0.06)), organ("kidneys", _KIDNEYS, KIDNEY_CURVE),
        organ("bladder", [ball((0, -28, -872), (40, 34, 32))], BLADDER_CURVE),
    ]  # fmt: skip
    organs += [
        organ(name, [solid], times(LESION_CURVE, share * lesions))
        for name, (solid, share) in LESIONS.items()
        if lesions
    ]
    return Body("skeleton", tuple(organs), stuff(found), voxel_mm=5.0, after_s=3 * _HOUR, leads=True)
