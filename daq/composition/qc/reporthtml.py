"""A report as one HTML page that needs nothing else: pictures in it, no script, a policy that allows no more."""

from __future__ import annotations

import base64
import hashlib
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING

from daq.composition.qc.reportmodel import Report

if TYPE_CHECKING:
    from jinja2 import Environment

_FOLDER = "templates"


def html_of(report: Report) -> str:
    """Return the page. Whatever texts hold, they stay texts: everything is escaped."""
    from markupsafe import Markup

    style = _text("report.css")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    page = _environment().from_string(_text("report.html"))
    return page.render(report=report, style=Markup(style), style_hash=f"sha256-{digest}")  # noqa: S704 - our own file


@lru_cache(maxsize=1)
def _environment() -> Environment:
    from jinja2 import Environment, StrictUndefined

    made = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    made.filters["base64"] = lambda data: base64.b64encode(data).decode()
    return made


def _text(name: str) -> str:
    return resources.files("daq.composition.qc").joinpath(_FOLDER, name).read_text(encoding="utf-8")
