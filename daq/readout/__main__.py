"""Entry of the readout process: `python -m daq.readout PLAN.json [LOCK]`. Started by the parent in its own session.

`LOCK` is the descriptor of the runtime directory's lock where the parent took it.
"""

from __future__ import annotations

import logging
import signal
import sys
from pathlib import Path

from daq.errors import ScandaqError
from daq.readout.plan import Plan
from daq.readout.process import Readout
from daq.readout.registry import hold, tidy


def main() -> int:
    """Run the plan in the file that the first argument names."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is for the parent, which asks for an orderly stop
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    path = Path(sys.argv[1])
    plan = Plan.model_validate_json(path.read_bytes())
    inherited = int(sys.argv[2]) if len(sys.argv) > 2 else None  # noqa: PLR2004 - the second argument
    try:
        with hold(
            path.parent, acquisition_id=plan.manifest.acquisition_id, directory=plan.directory, inherited=inherited
        ):
            code = _run(plan)
    except ScandaqError as why:
        logging.getLogger(__name__).critical("%s", why)
        return why.exit_code
    if code == 0:  # after an error the log stays for whoever looks
        tidy(path.parent)  # not before the lock is free: whoever follows until now will do it
    return code


def _run(plan: Plan) -> int:
    readout = Readout(plan)
    signal.signal(signal.SIGTERM, lambda *_: readout.request_stop())
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})  # blocked by the parent until here
    return readout.run()


if __name__ == "__main__":
    sys.exit(main())
