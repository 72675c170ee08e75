"""The process that does an analysis for the daemon: `python -m daq.composition.qc.process JOB EVIDENCE`.

JOB is a file with a job (`daq.composition.qc.job`). Prints the result as one JSON object, and writes pictures and
curves into EVIDENCE. It has the lowest priority: nothing of it disturbs an acquisition under way.
"""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from typing import Any

from daq.errors import ScandaqError
from daq.storage.hashing import lower_priority

_WRONG = 1


def command(job: Path, evidence: Path) -> tuple[str, ...]:
    """Return the command that does the job of a file."""
    return (sys.executable, "-m", "daq.composition.qc.process", str(job), str(evidence))


def main(job_file: Path, evidence: Path) -> int:
    """Do the job; print what came of it. Return 0, or the exit code of what stood against it."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    lower_priority()  # of this thread before any other is there; they have it, too
    from daq.composition.qc.analysed import analysed
    from daq.composition.qc.job import Job
    from daq.services.qc.evidence import evidence_bytes

    try:
        done = analysed(Job.from_json(json.loads(job_file.read_bytes())))
        told: dict[str, Any] = {
            "result": done.result.to_body(), "at_utc": done.at_utc, "by": done.by, "simulated": done.simulated,
        }  # fmt: skip
        evidence.write_bytes(evidence_bytes(done.findings.pictures, done.findings.curves))
    except ScandaqError as why:
        sys.stderr.write(f"{why}\n")
        return why.exit_code
    except (OSError, ValueError) as why:
        sys.stderr.write(f"{job_file}: {why}\n")
        return _WRONG
    sys.stdout.write(json.dumps(told) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
