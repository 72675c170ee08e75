"""PI's own library moves a controller of GCS 2 at HOST PORT, and says as one JSON line what it saw. Runs by itself."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

from pipython import GCSError  # type: ignore[import-not-found]
from pipython.pidevice.gcs2.gcs2commands import GCS2Commands  # type: ignore[import-not-found]
from pipython.pidevice.gcsmessages import GCSMessages  # type: ignore[import-not-found]
from pipython.pidevice.interfaces.pisocket import PISocket  # type: ignore[import-not-found]


def refused(call: Callable[[], Any]) -> int:
    """Return the number of the error that a call ends with."""
    try:
        call()
    except GCSError as why:
        return int(why.val)
    return 0


def wait(until: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + 10.0
    while not until():
        if time.monotonic() > deadline_s:
            raise TimeoutError("it does not end")
        time.sleep(0.02)


def main(host: str, port: int) -> dict[str, Any]:
    with PISocket(host, port) as wire:
        pi = GCS2Commands(GCSMessages(wire))
        seen: dict[str, Any] = {"model": pi.devname, "axes": pi.axes, "unready": refused(lambda: pi.MOV("1", 5))}
        pi.SVO({"1": 1, "2": 1})
        pi.FRF(["1", "2"])
        wait(lambda: not any(pi.IsMoving().values()))
        seen["referenced"] = dict(pi.qFRF())
        pi.VEL("1", 50)
        pi.MOV({"1": 10, "2": 5})
        wait(lambda: all(pi.qONT().values()))
        seen["there"] = dict(pi.qPOS())
        seen["ready"] = pi.IsControllerReady()
        seen["beyond"] = refused(lambda: pi.MOV("1", 900))
        seen["too_fast"] = refused(lambda: pi.VEL("1", 900))
        seen["no_axis"] = refused(lambda: pi.MOV("9", 1))
        pi.MVR("1", 300)
        time.sleep(0.1)
        pi.HLT("1", noraise=True)
        seen["halted"] = 10.0 < pi.qPOS("1")["1"] < 310.0 and not pi.IsMoving("1")["1"]
        pi.MVR("1", 100)
        pi.StopAll(noraise=True)
        seen["stopped"] = not any(pi.IsMoving().values())
    return seen


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], int(sys.argv[2]))))
