"""What `[qc]` of a protocol must say: a source where there is a nuclide, rates that make sense, and no patient."""

from __future__ import annotations

from collections.abc import Iterator

from daq.model.finding import ABSENT, Finding, Said, error
from daq.model.protocol import ProtocolKind
from daq.model.protocol_file import ProtocolFile, QcFile

_FORMS = '"sheet", "point", "line", "cylinder", "capsule" or "phantom"'


def findings(file: ProtocolFile) -> Iterator[Finding]:
    """Yield everything there is to say about `[qc]`."""
    if file.kind is not ProtocolKind.QC_FLOOD:
        if file.qc is not None:
            yield error(
                "qc", Said("given"), f"kind = {file.kind}: only quality control (qc_flood) has it, no patient's"
            )
        return
    if file.radionuclide is not None and (file.qc is None or file.qc.source == "none"):
        said = ABSENT if file.qc is None else Said('"none"')
        yield error("qc.source", said, f"{file.radionuclide} comes in a source; say its form: {_FORMS}")
    if file.qc is not None:
        yield from _source(file, file.qc)
        yield from _rate(file, file.qc)


def _source(file: ProtocolFile, said: QcFile) -> Iterator[Finding]:
    if said.source != "none" and file.radionuclide is None:
        yield error("qc.source", said.source, "of what? say its radionuclide")
    if said.source == "none" and said.background is not None:
        yield error("qc.background", said.background.test, "is measured before a source comes, and none does")
    if said.background is not None and said.background.maximum_age.ps <= 0:
        yield error("qc.background.maximum_age", Said(said.background.maximum_age.text), "must be above zero")


def _rate(file: ProtocolFile, said: QcFile) -> Iterator[Finding]:
    if said.rate is None:
        return
    low, high = said.rate
    if low.value >= high.value:
        yield error("qc.rate", Said(low.text), f"must be below the highest, {high}")
    if file.modality != "pet" and not file.windows:
        yield error("qc.rate", Said(low.text), "is of the first energy window, and there is none")
