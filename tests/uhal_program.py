"""What uHAL says to a board of registers; run by the python of an environment that has it. Prints what it found."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

TABLE = """<node id="TOP">
  <node id="IDENTITY" address="0x0" permission="r"/>
  <node id="SCRATCH" address="0x1" permission="rw"/>
  <node id="HIGH" address="0x1" mask="0xffff0000" permission="rw"/>
  <node id="QUEUE" address="0x9" mode="non-incremental" size="8" permission="r"/>
  <node id="MEMORY" address="0x1000" mode="incremental" size="512" permission="rw"/>
  <node id="NOTHING" address="0x50" permission="rw"/>
</node>"""


def main(uri: str) -> None:
    import uhal  # type: ignore[import-not-found, unused-ignore]

    uhal.setLogLevelTo(uhal.LogLevel.FATAL)
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "table.xml"
        table.write_text(TABLE)
        board = uhal.getDevice("board", uri, f"file://{table}")
    board.setTimeoutPeriod(5000)
    client = board.getClient()

    identity = board.getNode("IDENTITY").read()
    board.getNode("SCRATCH").write(0xDEADBEEF)
    board.getNode("HIGH").write(0x1234)
    scratch = board.getNode("SCRATCH").read()
    board.dispatch()
    found: dict[str, object] = {"identity": identity.value(), "masked": scratch.value()}

    client.write(0x1, 5)
    masked, added, after = client.rmw_bits(0x1, 0xF, 0x50), client.rmw_sum(0x1, 1), client.read(0x1)
    settings = client.readConfigurationSpace(1)
    client.dispatch()
    found |= {"before": [masked.value(), added.value()], "after": after.value(), "settings": settings.value()}

    board.getNode("MEMORY").writeBlock([7 * number for number in range(512)])
    block = board.getNode("MEMORY").readBlock(512)
    queue = board.getNode("QUEUE").readBlock(8)
    board.dispatch()
    found |= {"block": list(block) == [7 * number for number in range(512)], "queue": list(queue)}

    try:
        board.getNode("NOTHING").read()
        board.dispatch()
    except uhal.exception as why:
        found["nothing"] = "bus error on read" in str(why)
    try:
        board.getNode("IDENTITY").write(1)
    except uhal.exception as why:
        found["refused"] = "permission" in str(why).lower() or "write" in str(why).lower()
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1])
