"""All analyses by name."""

from __future__ import annotations

from daq.model.qc import analyses_camera, analyses_entered, analyses_pet, analyses_probe, analyses_ring, analyses_spect
from daq.model.qc.analyses import AnalysisKind

ANALYSES: dict[str, AnalysisKind] = {
    kind.name: kind
    for module in (
        analyses_camera,
        analyses_spect,
        analyses_pet,
        analyses_ring,
        analyses_probe,
        analyses_entered,
    )
    for kind in module.KINDS
}
