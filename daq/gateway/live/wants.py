"""What browsers say on the socket: what they want to see, and which frame is painted. Nothing of it is trusted."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from daq.errors import UsageError
from daq.wire.jsonlines import parse_object

MOST_MESSAGE_BYTES = 4096
What = Literal["scope", "counts", "spectrum", "energy", "rates", "study", "ring", "probe"]
WHATS: tuple[What, ...] = get_args(What)
SMALLEST, LARGEST = 16, 1024


class Want(BaseModel):
    """What a browser wants. `size`: pixels of its canvas along the longer side; pictures have at most so many.

    `hz`: frames a second at most. `heads`: numbers of heads, none said: all. `persistence`: seconds after which an
    event has faded; the nearest that there is. `window`: of the persistence picture, empty: the first. `counts` is the
    picture of the step so far in that window.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: Literal["want"] = "want"
    what: Annotated[tuple[What, ...], Field(max_length=len(WHATS))] = ()
    size: Annotated[int, Field(ge=SMALLEST, le=LARGEST)] = 256
    hz: Annotated[float, Field(ge=0.2, le=30)] = 20
    heads: Annotated[tuple[Annotated[int, Field(ge=0, le=254)], ...], Field(max_length=16)] | None = None
    persistence: Annotated[float, Field(ge=0.1, le=60)] = 4
    window: Annotated[str, Field(max_length=64)] = ""

    def wants_head(self, number: int) -> bool:
        """Return True where a head is wanted."""
        return self.heads is None or number in self.heads


class Ack(BaseModel):
    """A browser has painted the frame of that number."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: Literal["ack"] = "ack"
    seq: Annotated[int, Field(ge=0, lt=1 << 32)]


def message_in(text: str) -> Want | Ack:
    """Return what a browser said. Raises `UsageError` for anything that is neither."""
    if len(text) > MOST_MESSAGE_BYTES:
        raise UsageError(f"a message of {len(text)} characters; at most {MOST_MESSAGE_BYTES} are read")
    told = parse_object(text.encode("utf-8", "replace"))
    models: dict[str, type[Want] | type[Ack]] = {"want": Want, "ack": Ack}
    model = models.get(str(told.get("type")))
    if model is None:
        raise UsageError("a message is of type want or ack")
    try:
        return model.model_validate(told)
    except ValidationError as why:
        first = why.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise UsageError(f"{told['type']}: {place}: {first['msg']}") from None
