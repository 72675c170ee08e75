"""What runs beside a measured process: a 10 ms asyncio ticker, burners of CPU, a look at its threads."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

PERIOD_S = 0.01
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_END_S = 10.0


@dataclass(slots=True)
class ThreadTimes:
    """CPU seconds of a process's threads, those that ended too as far as they were seen. `begin` sets the zero."""

    pid: int
    _seconds: dict[int, float] = field(default_factory=dict)
    _names: dict[int, str] = field(default_factory=dict)
    _zero: dict[int, float] = field(default_factory=dict)

    def look(self) -> None:
        """Read the times; what cannot be read any more stays at its last value."""
        try:
            threads = list(Path(f"/proc/{self.pid}/task").iterdir())
        except OSError:
            return
        for thread in threads:
            try:
                text = (thread / "stat").read_text(encoding="ascii", errors="replace")
            except OSError:
                continue
            number = int(thread.name)
            name, _, rest = text.partition("(")[2].rpartition(")")
            fields = rest.split()
            self._seconds[number] = (int(fields[11]) + int(fields[12])) / _TICKS_PER_S
            self._names[number] = "main" if number == self.pid else name

    def begin(self) -> float:
        """Count from now on; return the seconds used until now."""
        self.look()
        self._zero = dict(self._seconds)
        return sum(self._seconds.values())

    def by_name(self) -> dict[str, float]:
        """Return the seconds since `begin`, threads of one name together, the busiest first."""
        spent: dict[str, float] = {}
        for number, seconds in self._seconds.items():
            name = self._names[number]
            spent[name] = spent.get(name, 0.0) + seconds - self._zero.get(number, 0.0)
        return dict(sorted(spent.items(), key=lambda item: -item[1]))


def resident_bytes(pid: int) -> tuple[int, int]:
    """Return the resident memory of a process, now and at most; zeros when it is gone."""
    try:
        text = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0, 0
    found = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    return tuple(int(found.get(key, "0 kB").split()[0]) * 1024 for key in ("VmRSS", "VmHWM"))  # type: ignore[return-value]


@contextmanager
def burners(count: int) -> Iterator[None]:
    """Keep `count` processes busy doing nothing."""
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
        for process in busy:
            process.wait(_END_S)


class Ticker:
    """An asyncio process that wakes every 10 ms and notes how late it is."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.beside"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )

    def stop(self) -> dict[str, float]:
        """End it and return `p50_ms`, `p99_ms`, `max_ms`; empty when it never ticked."""
        self._process.send_signal(signal.SIGTERM)
        told = self._process.communicate(timeout=_END_S)[0]
        return dict(json.loads(told)) if told else {}


async def _tick() -> list[float]:
    late: list[float] = []
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    due = time.monotonic() + PERIOD_S
    while not stop.is_set():
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        now = time.monotonic()
        late.append((now - due) * 1000)
        due = max(due + PERIOD_S, now)  # a stall is one late tick, not the hundred that it swallowed
    return late


def main() -> int:
    """Tick until SIGTERM, then print percentiles of the lateness."""
    late = sorted(asyncio.run(_tick()))
    at = {"p50_ms": 0.5, "p99_ms": 0.99, "max_ms": 1.0}
    figures = {name: round(late[min(len(late) - 1, int(part * len(late)))], 3) for name, part in at.items()}
    print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
