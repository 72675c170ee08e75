"""Errors as `application/problem+json` (RFC 9457): what a person reads, and what a program looks at."""

from __future__ import annotations

from starlette.responses import JSONResponse

from daq.errors import (
    AccessError,
    BusyError,
    ControlHeldError,
    DeadlineError,
    MissingError,
    NotSignedInError,
    RefusedError,
    ScandaqError,
    UnreachableError,
    UsageError,
    VerificationError,
)

_STATUS: tuple[tuple[type[ScandaqError], int, str], ...] = (
    (UsageError, 422, "Not understood"),
    (NotSignedInError, 401, "Not signed in"),
    (AccessError, 403, "Not allowed"),
    (ControlHeldError, 423, "Somebody else holds control"),
    (BusyError, 429, "Too many at once"),
    (RefusedError, 409, "Refused"),
    (MissingError, 404, "Not there"),
    (UnreachableError, 503, "Not reached"),
    (DeadlineError, 504, "Not in time"),
    (VerificationError, 502, "Not confirmed"),
)


def problem(status: int, title: str, detail: str, *, kind: str = "", exit_code: int = 1) -> JSONResponse:
    """Return the answer that tells what went wrong; `detail` is a sentence for people."""
    told = {"type": "about:blank", "title": title, "status": status, "detail": detail, "kind": kind,
            "exit_code": exit_code}  # fmt: skip
    return JSONResponse(told, status, media_type="application/problem+json")


def problem_of(why: ScandaqError) -> JSONResponse:
    """Return the answer for an error of ours."""
    status, title = next(((code, title) for kind, code, title in _STATUS if isinstance(why, kind)), (500, "Failed"))
    return problem(status, title, str(why), kind=type(why).__name__, exit_code=why.exit_code)
