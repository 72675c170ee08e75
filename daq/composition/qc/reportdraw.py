"""Pictures of reports, drawn by matplotlib without a display: PNG bytes. Texts of others are drawn as they are.

matplotlib is loaded when the first picture is drawn, not before: it takes half a second.
"""

from __future__ import annotations

import io
import os
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, PALE, RULE = "#1d2733", "#5d6b7a", "#c9d1da"
BLUE, ORANGE, RED, GREEN = "#1f5fa8", "#b45f06", "#b3261e", "#2e6b34"
DPI = 110
_WIDE_INCHES = 9.6
_WATERMARK = 0.16
_STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans", "font.size": 8.5, "text.parse_math": False, "text.color": INK,
    "axes.edgecolor": RULE, "axes.labelcolor": INK, "axes.titlesize": 9.0, "axes.titleweight": "bold",
    "axes.titlelocation": "left", "axes.grid": True, "grid.color": "#e7ebef", "grid.linewidth": 0.6,
    "axes.axisbelow": True, "axes.spines.top": False, "axes.spines.right": False, "xtick.color": PALE,
    "ytick.color": PALE, "axes.formatter.useoffset": False, "axes.formatter.use_mathtext": False,
    "lines.linewidth": 1.1, "legend.frameon": False, "legend.fontsize": 7.5, "figure.facecolor": "white",
    "savefig.facecolor": "white", "axes.unicode_minus": True,
}  # fmt: skip


@lru_cache(maxsize=1)
def prepared() -> dict[str, Any]:
    """Load matplotlib, its cache where this user may write, and return the style of all pictures.

    Without a home that can be written to matplotlib would make a folder of its own at each start and warn.
    """
    if "MPLCONFIGDIR" not in os.environ:
        os.environ["MPLCONFIGDIR"] = str(_cache_folder())
    import matplotlib as mpl

    mpl.use("agg")
    return _STYLE


def _cache_folder() -> Path:
    base = Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"))  # noqa: PTH111 - no home is no error
    folder = base / "scandaq" / "matplotlib"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return Path(tempfile.mkdtemp(prefix="scandaq-matplotlib-"))
    return folder if os.access(folder, os.W_OK) else Path(tempfile.mkdtemp(prefix="scandaq-matplotlib-"))


def new_figure(height_inches: float, *, layout: Literal["constrained"] | None = "constrained") -> Figure:
    """Return an empty figure; within `styled()` only. To find its layout by itself takes twice the time to draw."""
    from matplotlib.figure import Figure

    return Figure(figsize=(_WIDE_INCHES, height_inches), dpi=DPI, layout=layout)


def styled() -> Any:
    """Return the context in which all pictures are drawn and written."""
    style: Any = prepared()
    import matplotlib as mpl

    return mpl.rc_context(style)


def png_of(figure: Figure, *, simulated: bool) -> bytes:
    """Return a figure as PNG, SIMULATED written across it where what it shows is."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    if simulated:
        figure.text(
            0.5, 0.5, "SIMULATED", ha="center", va="center", rotation=14, fontsize=52, color=RED, alpha=_WATERMARK,
            weight="bold", zorder=100,
        )  # fmt: skip
    FigureCanvasAgg(figure)
    made = io.BytesIO()
    figure.savefig(made, format="png", metadata={"Software": None})
    return made.getvalue()


def drawable(text: str, most: int = 90) -> str:
    """Return a text of others as the pictures' font can draw it: a `?` for what it lacks, not longer than `most`."""
    known = characters()
    kept = "".join(letter if ord(letter) in known else "?" for letter in text)
    return kept if len(kept) <= most else f"{kept[: most - 1]}…"


@lru_cache(maxsize=1)
def characters() -> frozenset[int]:
    """Return the letters that the font has, by their numbers."""
    prepared()
    from matplotlib.ft2font import FT2Font

    return frozenset(code for code in FT2Font(str(font_file())).get_charmap() if code >= ord(" "))


def font_file(*, bold: bool = False) -> Path:
    """Return the font that comes with matplotlib, free to be embedded."""
    prepared()
    import matplotlib as mpl

    return Path(mpl.get_data_path()) / "fonts" / "ttf" / ("DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf")


def without_frame(axes: Axes) -> None:
    """Take grid, ticks and frame off."""
    axes.grid(visible=False)
    axes.set_xticks([])
    axes.set_yticks([])
    for side in axes.spines.values():
        side.set_visible(False)
