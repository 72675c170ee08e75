"""The event layout that a manifest holds: believed only after the same rules as a profile's, for it becomes code."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pydantic import ValidationError

from daq.errors import FormatError
from daq.model.finding import errors
from daq.model.layout import Clock, Layout
from daq.model.layout_rules import findings

if TYPE_CHECKING:
    from pathlib import Path

    from daq.storage.manifest import Manifest


def recorded_layout(manifest: Manifest, directory: Path) -> tuple[Layout, Clock]:
    """Return layout and clock of the manifest's profile.

    A decoder made of a layout that breaks a rule could read beyond its tables. Raise `FormatError` for one, and where
    the manifest holds none, as after a recovery without it.
    """
    where = f"{directory}: the manifest's profile"
    parts = [json.dumps(manifest.profile.get(name)) for name in ("layout", "clock")]
    if "null" in parts:
        raise FormatError(f"{where} has no layout or no clock: what the words mean cannot be told")
    try:
        layout, clock = Layout.model_validate_json(parts[0]), Clock.model_validate_json(parts[1])
    except ValidationError as why:
        first = why.errors()[0]
        raise FormatError(f"{where}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    for finding in errors(findings(layout, clock)):
        raise FormatError(f"{where}: {finding}")
    return layout, clock
