"""The control groups of this process, old and new, and what they allow it. Kernel files are read below `root`."""

from __future__ import annotations

from pathlib import Path

NO_LIMIT = 1 << 60
"""What the first generation writes for "none" is a number above this."""


def cpu_quota_cores(root: Path = Path("/")) -> float | None:
    """Return how many cores' worth of time the control groups of this process allow; None for no limit."""
    quotas: list[float] = []
    for folder in _groups(root, "cpu"):
        words = kernel_text(folder / "cpu.max").split() or [
            kernel_text(folder / "cpu.cfs_quota_us"),
            kernel_text(folder / "cpu.cfs_period_us"),
        ]
        if all(word.isdigit() for word in words) and int(words[1]):
            quotas.append(int(words[0]) / int(words[1]))
    return min(quotas, default=None)


def memory_limit_bytes(root: Path = Path("/")) -> int | None:
    """Return the smallest memory limit of the control groups of this process; None for no limit."""
    limits = []
    for folder in _groups(root, "memory"):
        limits += [kernel_text(folder / name) for name in ("memory.max", "memory.limit_in_bytes")]
    return min((int(text) for text in limits if text.isdigit() and int(text) < NO_LIMIT), default=None)


def _groups(root: Path, controller: str) -> list[Path]:
    """Return the folders of this process's control groups for a controller, all levels, both generations."""
    folders = []
    for line in kernel_text(root / "proc/self/cgroup").splitlines():
        _, names, path = line.split(":", 2)
        if names and controller not in names.split(","):
            continue
        base = root / "sys/fs/cgroup" / (names and controller)
        inside = base / path.lstrip("/")
        folders += [place for place in (inside, *inside.parents) if place.is_relative_to(base)]
    return folders


def kernel_text(path: Path) -> str:
    """Return what a kernel file says; empty when there is none."""
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""
