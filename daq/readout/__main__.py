"""Entry of the readout process: `python -m daq.readout PLAN.json`. Started by the parent in a session of its own."""

from __future__ import annotations

import logging
import signal
import sys
from pathlib import Path

from daq.readout.plan import Plan
from daq.readout.process import Readout


def main() -> int:
    """Run the plan in the file that the first argument names."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is for the parent, which asks for an orderly stop
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    plan = Plan.model_validate_json(Path(sys.argv[1]).read_bytes())
    readout = Readout(plan)
    signal.signal(signal.SIGTERM, lambda *_: readout.request_stop())
    return readout.run()


if __name__ == "__main__":
    sys.exit(main())
