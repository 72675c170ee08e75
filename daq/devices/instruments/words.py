"""Templates and patterns of a control profile: filled in, compiled, and refusals made errors."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from daq.errors import AccessError, BusyError, LimitError, ProfileError, RefusedError, ScandaqError, VerificationError
from daq.model.control import Trouble

_SHOWN = 80
_FIELD = re.compile(r"\{([a-z_]+)\}")
_ERRORS: dict[str, type[ScandaqError]] = {
    "refused": RefusedError, "limit": LimitError, "local": AccessError, "busy": BusyError, "fault": VerificationError,
}  # fmt: skip


def fill(template: str, fields: Mapping[str, str], *, quote: bool = False) -> str:
    """Return a template with its `{fields}` filled in; quoted for a pattern. Raises `ProfileError` for one unknown."""

    def known(found: re.Match[str]) -> str:
        name = found.group(1)
        if name not in fields:
            raise ProfileError(f"{template!r}: nothing is known of {{{name}}}; known: {', '.join(sorted(fields))}")
        return re.escape(fields[name]) if quote else fields[name]

    return _FIELD.sub(known, template)


def pattern_of(template: str, fields: Mapping[str, str]) -> re.Pattern[str]:
    """Return the pattern that a reply must match as a whole."""
    return _compiled(fill(template, fields, quote=True))


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def refused(trouble: Trouble, name: str, request: str) -> ScandaqError:
    """Return the error that a refusal is: what was said, to whom, and what the profile says about it."""
    return _ERRORS[trouble.kind](f"{name} refused {shown(request)}: {trouble.text}")


def shown(said: str | bytes) -> str:
    """Return what was said as it stands in a message: the beginning of what is long."""
    return f"{said[:_SHOWN]!r}..." if len(said) > _SHOWN else repr(said)
