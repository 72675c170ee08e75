"""`python -m benchmarks`: the table. Ratios are judged, each measured in one run; rates are information."""

from __future__ import annotations

import os
import platform
import sys

from benchmarks import (
    bench_account,
    bench_camera,
    bench_catalogue,
    bench_console,
    bench_consoles,
    bench_daemon,
    bench_decode,
    bench_dicom,
    bench_durable,
    bench_export,
    bench_fers,
    bench_floods,
    bench_framing,
    bench_heads,
    bench_instruments,
    bench_links,
    bench_mqtt,
    bench_order,
    bench_pairing,
    bench_pet,
    bench_pixels,
    bench_positions,
    bench_quality,
    bench_readout,
    bench_registers,
    bench_sort,
    bench_start,
    bench_streams,
    bench_studies,
)
from benchmarks.common import Row, load


def main() -> int:
    modules = {
        "start": bench_start, "decode": bench_decode, "durable": bench_durable, "streams": bench_streams,
        "readout": bench_readout, "registers": bench_registers, "account": bench_account, "order": bench_order,
        "catalogue": bench_catalogue, "pairing": bench_pairing, "pet": bench_pet, "heads": bench_heads,
        "fers": bench_fers,
        "positions": bench_positions, "framing": bench_framing, "camera": bench_camera,
        "daemon": bench_daemon, "console": bench_console, "consoles": bench_consoles, "pixels": bench_pixels,
        "instruments": bench_instruments, "links": bench_links,
        "mqtt": bench_mqtt,
        "sort": bench_sort, "export": bench_export, "dicom": bench_dicom, "studies": bench_studies,
        "quality": bench_quality, "floods": bench_floods,
    }  # fmt: skip
    wrong = [name for name in sys.argv[1:] if name not in modules]
    if wrong:
        print(f"python -m benchmarks [NAME ...]: {', '.join(wrong)} is none of {', '.join(modules)}", file=sys.stderr)
        return 2
    names = sys.argv[1:] or list(modules)
    print(f"{platform.machine()}, {os.cpu_count()} cores, Linux {platform.release()}; load before: {load()}")
    rows: list[Row] = []
    for name in names:
        rows += modules[name].run()
    width = max(len(row.what) for row in rows)
    print(f"{'':{width}}  {'ratio':>6} {'floor':>6} {'aim':>6}        figures")
    for row in rows:
        numbers = [f"{value:6.2f}" if value is not None else " " * 6 for value in (row.ratio, row.floor, row.aim)]
        print(f"{row.what:{width}}  {' '.join(numbers)} {row.verdict:6} {row.figure}")
    print(f"load after: {load()}")
    return 1 if any(row.verdict == "BELOW" for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
