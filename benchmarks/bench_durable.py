"""The durable write of `bench_write`, as rows of the table."""

from __future__ import annotations

from benchmarks import bench_write
from benchmarks.common import Row


def run() -> list[Row]:
    """Return the rows of the table."""
    rows = []
    for row in bench_write.run():
        ratio = row.value if row.target else None
        rows.append(Row(row.name, f"{row.value:.2f} {row.unit}".rstrip(), ratio, 0.8 if row.target else None))
    return rows
