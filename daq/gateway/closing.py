"""What a browser is told when its WebSocket is closed."""

from __future__ import annotations

_MOST_BYTES = 123
"""RFC 6455, 5.5: the body of a control frame has at most 125 bytes, of which two are the code."""


def closing_words(why: str) -> str:
    """Return as much of a sentence as a closing frame takes; a longer one would close nothing."""
    return why.encode("utf-8", "replace")[:_MOST_BYTES].decode("utf-8", "ignore")
