"""The process that finishes one recording for the daemon: `python -m daq.composition.finishingprocess DIR`.

Prints what was made as one JSON object. Its exit code is that of `daq study finish`.
"""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path

from daq.errors import ScandaqError
from daq.storage.hashing import lower_priority

_FAILED = 6


def command(directory: Path) -> tuple[str, ...]:
    """Return the command that finishes a recording."""
    return (sys.executable, "-m", "daq.composition.finishingprocess", str(directory))


def main(directory: Path) -> int:
    """Finish a recording that is not finished yet; print what was made. SIGTERM leaves nothing half made."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    lower_priority()  # of this thread before any other is there; they have it, too
    from daq.composition.finishing import finish

    try:
        done = finish(directory)
    except ScandaqError as why:
        sys.stderr.write(f"{why}\n")
        return why.exit_code
    sys.stdout.write(json.dumps(done.to_json()) + "\n")
    return _FAILED if done.problems else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
