"""What all verbs of the daemon have in common: how their arguments are checked."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from daq.model.words import said

Text = Annotated[str, Field(max_length=500), AfterValidator(said)]
"""What a person writes; may be empty, and where it is not, something can be read."""
Named = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(said)]
Reason = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(said)]
"""Why somebody does something: needed, and to be read."""


class Arguments(BaseModel):
    """Arguments of a verb; unknown ones are refused. By default a verb has none but the reason."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False)

    reason: Text = ""


class OfRun(Arguments):
    """Arguments of what is done to the acquisition under way. `run`: the one that is meant; another one is refused.

    Whoever looks at a page that is old, or asks again after a while, must not start or stop the next patient's.
    """

    run: Named | None = None
