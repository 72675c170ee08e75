"""Where the host flushed the order, pairs still follow from the stored singles alone."""

from pathlib import Path

import pytest
from support_pairs import paired_offline, script, stored
from support_recording import record


@pytest.mark.parametrize("shed_at", [[], [20]])
@pytest.mark.parametrize("seed", range(4))
def test_a_flush_within_a_burst_parts_no_pair(tmp_path: Path, seed: int, shed_at: list[int]) -> None:
    flushes = {at: [("flush", None)] for at in range(1, 60)}

    record(tmp_path / "run", script(seed, actions=flushes), shed_at=shed_at)

    live = stored(tmp_path / "run", "coincidences")
    assert len([row for row in stored(tmp_path / "run", "marks") if row["kind"] == "flush"]) > 50
    assert live == paired_offline(tmp_path / "run")
    assert live
