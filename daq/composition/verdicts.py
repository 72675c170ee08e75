"""The verdict on a recording: its pictures and what else it tells, against the protocol that its manifest holds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from daq.errors import RefusedError
from daq.model.framed import Framed
from daq.model.verdict import Verdict
from daq.qc.study import judged
from daq.storage.reader import open_listmode
from daq.storage.remarks import corrected
from daq.storage.studyfacts import facts_in

if TYPE_CHECKING:
    from daq.model.protocol import AcquisitionProtocol
    from daq.storage.manifest import Manifest


def protocol_in(manifest: Manifest, where: str = "") -> AcquisitionProtocol:
    """Return the protocol that a recording was made by, as it was then. Raise `RefusedError` where it holds none."""
    from acquisition_protocols.load import checked

    told, name = manifest.protocol or {}, where or manifest.acquisition_id
    if "toml" not in told:
        raise RefusedError(f"{name}: its manifest does not say by which protocol it was made")
    protocol, wrong = checked(str(told["toml"]).encode(), Path(f"{told.get('id')}.toml"))
    if protocol is None:
        raise RefusedError(f"{name}: the protocol in it: {'; '.join(map(str, wrong))}")
    return protocol


def verdict_on(directory: Path, series: Sequence[Framed]) -> Verdict:
    """Return the verdict on a recording. `series`: all that was framed of it (`daq.storage.framed.framed_in`).

    Raise what opening the recording raises, and `RefusedError` for one that was made by no protocol.
    """
    with open_listmode(directory, allow_damaged=True) as recording:
        recording.manifest = corrected(recording.manifest, directory)
        return judged(series, protocol_in(recording.manifest, str(directory)), facts_in(recording))
