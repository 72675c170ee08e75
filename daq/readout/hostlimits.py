"""What the host's network limits: the socket buffer above all, which must hold what comes while a thread sleeps.

The kernel grants twice what is asked for and counts a datagram with its own overhead: 2304 bytes for 1472, 1.6 times
what it carries. A buffer that holds 100 ms of the rate outlasts what a busy host does to a thread; one that holds less
than 10 ms does not outlast an ordinary turn of another process.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from pathlib import Path

from daq.model.host import HostFinding, Verdict

WANTED_BYTES = 64 << 20
HOLD_S = 0.1
LEAST_HOLD_S = 0.01
_OVERHEAD = 1.6
_KERNEL_GRANTS = 2
_MIB = 1 << 20
_SO_RCVBUFFORCE = 33
_UDP_GRO = 104
_RMEM_MAX = "proc/sys/net/core/rmem_max"


@dataclass(frozen=True, slots=True)
class SocketProbe:
    """What a UDP socket of this process is given. `granted_bytes` is what was asked for as far as it was granted."""

    granted_bytes: int
    forced: bool
    gro: bool
    trouble: str = ""


def probe_socket(wanted_bytes: int = WANTED_BYTES) -> SocketProbe:
    """Open a UDP socket, ask for everything, close it. Never raises: `trouble` says why there is no socket."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            forced = _takes(udp, socket.SOL_SOCKET, _SO_RCVBUFFORCE, wanted_bytes)
            if not forced:
                udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, wanted_bytes)
            granted = udp.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // _KERNEL_GRANTS
            return SocketProbe(granted, forced, gro=_takes(udp, socket.IPPROTO_UDP, _UDP_GRO, 1))
    except OSError as why:
        return SocketProbe(0, forced=False, gro=False, trouble=why.strerror or str(why))


def holds_s(granted_bytes: int, rate_words_per_s: float, word_bytes: int) -> float:
    """Return for how long a buffer holds datagrams that nobody takes, at a rate."""
    return _KERNEL_GRANTS * granted_bytes / (_OVERHEAD * rate_words_per_s * word_bytes)


def socket_buffer_verdict(granted_bytes: int, rate_words_per_s: float, word_bytes: int) -> HostFinding:
    """Return what a granted socket buffer (as asked for, not as doubled by the kernel) means at a rate."""
    held_s = holds_s(granted_bytes, rate_words_per_s, word_bytes)
    verdict: Verdict = "good" if held_s >= HOLD_S else "limits" if held_s >= LEAST_HOLD_S else "bad"
    need = HOLD_S * _OVERHEAD * rate_words_per_s * word_bytes / _KERNEL_GRANTS
    wanted = max(WANTED_BYTES, -(-int(need) // _MIB) * _MIB)
    return HostFinding(
        "socket_buffer",
        "socket buffer",
        f"{granted_bytes:,} bytes, {held_s * 1000:.1f} ms at {_rate(rate_words_per_s)}",
        f"{HOLD_S * 1000:.0f} ms, {int(need):,} bytes",
        verdict,
        "" if verdict == "good" else _rmem_mend(wanted),
        {
            "granted_bytes": granted_bytes, "needed_bytes": int(need), "holds_ms": round(held_s * 1000, 3),
            "rate_words_per_s": rate_words_per_s, "word_bytes": word_bytes,
            "good_to_words_per_s": int(rate_words_per_s * held_s / HOLD_S),
        },
    )  # fmt: skip


def network_findings(
    rate_words_per_s: float, word_bytes: int, *, probe: SocketProbe | None = None, root: Path = Path("/")
) -> list[HostFinding]:
    """Return what the network stack gives to this process. `root` stands for `/`, to read kernel files below."""
    probe = probe or probe_socket()
    if probe.trouble:
        return [_no_socket(probe.trouble)]
    return [
        socket_buffer_verdict(probe.granted_bytes, rate_words_per_s, word_bytes),
        _rmem_max(root, forced=probe.forced),
        _force(forced=probe.forced, enough=probe.granted_bytes >= WANTED_BYTES),
        _gro(available=probe.gro),
    ]


def _no_socket(trouble: str) -> HostFinding:
    mend = "allow this user AF_INET sockets (seccomp, SELinux, a container's network)"
    return HostFinding("socket_buffer", "UDP socket", trouble, "a socket", "bad", mend, impossible=True)


def _rmem_max(root: Path, *, forced: bool) -> HostFinding:
    try:
        limit: int | None = int((root / _RMEM_MAX).read_text(encoding="ascii"))
    except (OSError, ValueError):
        limit = None
    good = forced or (limit is not None and limit >= WANTED_BYTES)
    value = "cannot be read" if limit is None else f"{limit:,} bytes" + (", passed over" if forced else "")
    want = f"{WANTED_BYTES:,} bytes"
    mend = "" if good else _rmem_mend(WANTED_BYTES)
    return HostFinding("rmem_max", "net.core.rmem_max", value, want, _works(good), mend, {"rmem_max_bytes": limit})


def _force(*, forced: bool, enough: bool) -> HostFinding:
    value = "allowed" if forced else "not allowed"
    verdict = _works(forced or enough)
    mend = "" if verdict == "good" else "give the readout CAP_NET_ADMIN, or raise net.core.rmem_max"
    return HostFinding(
        "rcvbuf_force", "SO_RCVBUFFORCE", value, "allowed, or a large rmem_max", verdict, mend, {"allowed": forced}
    )


def _gro(*, available: bool) -> HostFinding:
    value = "available" if available else "not available"
    mend = "" if available else "Linux 5.0 or newer has it; without it a datagram costs three times the time"
    return HostFinding("udp_gro", "UDP_GRO", value, "available", _works(available), mend, {"available": available})


def _works(good: bool) -> Verdict:  # noqa: FBT001 - one condition, one word
    return "good" if good else "limits"


def _takes(udp: socket.socket, level: int, option: int, value: int) -> bool:
    try:
        udp.setsockopt(level, option, value)
    except OSError:
        return False
    return True


def _rmem_mend(size: int) -> str:
    return (
        f"sysctl -w net.core.rmem_max={size}, and to keep it: "
        f"echo 'net.core.rmem_max = {size}' > /etc/sysctl.d/60-scandaq.conf"
    )


def _rate(words_per_s: float) -> str:
    return f"{words_per_s / 1e6:g} M words/s"
