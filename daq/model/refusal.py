"""How a refusal travels: the text, the class and the exit code of an error, as keys of a JSON object.

Whoever asked raises the same error again, also in another process.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from daq import errors
from daq.errors import ScandaqError

_BY_EXIT_CODE: dict[int, type[ScandaqError]] = {
    2: errors.UsageError,
    3: errors.RefusedError,
    4: errors.MissingError,
    5: errors.UnreachableError,
    6: errors.VerificationError,
    7: errors.DeadlineError,
}


def refusal(why: ScandaqError) -> dict[str, Any]:
    """Return the answer that makes whoever asked raise `why` again."""
    return {"error": str(why), "exit_code": why.exit_code, "kind": type(why).__name__}


def error_of(answer: Mapping[str, Any]) -> ScandaqError:
    """Return the error that a refusal, or the status of a readout that failed, speaks of."""
    code = answer.get("exit_code")
    known = getattr(errors, str(answer.get("kind")), None)
    if not (isinstance(known, type) and issubclass(known, ScandaqError)):
        known = _BY_EXIT_CODE.get(code if isinstance(code, int) else 1, errors.UnexpectedError)
    return known(str(answer["error"]))
