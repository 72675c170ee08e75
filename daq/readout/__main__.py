"""Entry of the readout process: `python -m daq.readout PLAN.json`. Started by the parent in a session of its own."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
from pathlib import Path

from daq.readout.plan import LAST_STATUS, LOG, PLAN, Plan
from daq.readout.process import Readout


def main() -> int:
    """Run the plan in the file that the first argument names."""
    parent = os.getppid()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is for the parent, which asks for an orderly stop
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    path = Path(sys.argv[1])
    readout = Readout(Plan.model_validate_json(path.read_bytes()))
    signal.signal(signal.SIGTERM, lambda *_: readout.request_stop())
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})  # blocked by the parent until here
    code = readout.run()
    if code == 0 and os.getppid() != parent:
        _tidy(path.parent)
    return code


def _tidy(runtime: Path) -> None:
    """Remove what the parent would have removed, had it not gone before us; after an error the log stays."""
    with contextlib.suppress(OSError):  # not ours to remove, or more in it than we know: it stays
        for name in (PLAN, LOG, LAST_STATUS):
            (runtime / name).unlink(missing_ok=True)
        runtime.rmdir()


if __name__ == "__main__":
    sys.exit(main())
