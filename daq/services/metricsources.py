"""Figures of the parts of a station, to be asked for at every scrape: readout, broker, run documents."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from daq.services.metrics import Asked

if TYPE_CHECKING:
    from daq.services.rundocuments import RunDocuments
    from daq.services.status_mqtt.settings import Figures

_MS = 1e-3

_READOUT: tuple[tuple[str, str, str, float, bool], ...] = (
    # key of the status, metric, text, factor, counter
    ("buffer_used", "buffer_used_ratio", "Share in use of the memory between receiving and disk, 0 to 1.", 1, False),
    ("buffer_bytes", "buffer_size_bytes", "Memory between receiving and disk.", 1, False),
    ("buffer_high_water_bytes", "buffer_high_water_bytes", "The most of that memory that was in use.", 1, False),
    ("disk_sync_last_ms", "disk_sync_seconds", "How long the last sync took, its writes included.", _MS, False),
    ("disk_sync_max_ms", "disk_sync_longest_seconds", "How long the longest sync took.", _MS, False),
    ("words_received", "received_words", "Words of the front end that arrived.", 1, True),
    ("words_missing", "missing_words", "Words of the front end that did not arrive.", 1, True),
    ("words_recorded", "recorded_words", "Words of the front end that are durable.", 1, True),
    ("datagrams", "datagrams", "Datagrams received.", 1, True),
    ("kernel_drops", "kernel_dropped_datagrams", "Datagrams that found the socket's buffer full.", 1, True),
    ("socket_buffer_bytes", "socket_buffer_size_bytes", "The socket's receive buffer, as granted.", 1, False),
    ("rows_held", "held_rows", "Rows that wait for their turn in time.", 1, False),
    ("silent_s", "silent_seconds", "For how long nothing has come.", 1, False),
    ("stalled", "stalled", "1 where nothing comes, heartbeats included.", 1, False),
)

_MQTT: tuple[tuple[str, str, str, bool], ...] = (
    ("connected", "connected", "1 while the broker is there.", False),
    ("reconnects", "reconnects", "Connections after the first.", True),
    ("failed_connects", "failed_connects", "Attempts to connect that failed.", True),
    ("taken_over", "taken_over", "Connections that another client of the same name took over.", True),
    ("published", "published_messages", "Messages sent.", True),
    ("published_bytes", "published_bytes", "Bytes of their payloads.", True),
    ("acknowledged", "acknowledged_messages", "Messages that the broker acknowledged.", True),
    ("refused", "refused_messages", "Messages that the broker refused.", True),
    ("superseded", "superseded_messages", "Messages that a newer one of their topic replaced in the outbox.", True),
    ("outbox", "outbox_messages", "Messages that wait.", False),
    ("under_way", "unacknowledged_messages", "Messages sent and not acknowledged yet.", False),
)  # fmt: skip

_DOCUMENTS: tuple[tuple[str, str, Callable[[RunDocuments], float], bool], ...] = (
    ("written", "Documents of this run handed to the disk.", lambda run: run.file.written, True),
    ("dropped", "Events of this run that found too much waiting.", lambda run: run.dropped + run.file.dropped, True),
    ("left_out", "Events of this run beyond the most streams that a run may have.", lambda run: run.left_out, True),
    ("waiting_bytes", "Documents of this run that wait for the disk.", lambda run: run.file.waiting_bytes, False),
    ("sync_seconds", "How long the last sync of the run documents took.", lambda run: run.file.sync_last_s, False),
)


def readout_figures(status: Callable[[], Mapping[str, Any] | None]) -> list[Asked]:
    """Return the figures of a readout; `status` returns the last one it gave, None while none runs."""

    def figure(key: str, factor: float) -> float | None:
        value = (status() or {}).get(key)
        return None if value is None else float(value) * factor

    asked = [
        Asked(f"scandaq_readout_{name}", text, partial(figure, key, factor), is_counter=is_counter)
        for key, name, text, factor, is_counter in _READOUT
    ]
    text = "CPU time of the readout, by thread."
    cpu = Asked("scandaq_readout_cpu_seconds", text, lambda: (status() or {}).get("cpu_s"), "thread", is_counter=True)
    return [*asked, cpu]


def mqtt_figures(figures: Figures) -> list[Asked]:
    """Return the figures of the connection to the broker."""
    asked = [
        Asked(f"scandaq_mqtt_{name}", text, partial(getattr, figures, key), is_counter=is_counter)
        for key, name, text, is_counter in _MQTT
    ]

    def drops() -> dict[str, float]:
        return {
            "message": figures.dropped_messages,
            "document": figures.dropped_documents,
            "reply": figures.dropped_replies,
        }

    text = "Messages that found no room in the outbox, by kind."
    dropped = Asked("scandaq_mqtt_dropped_messages", text, drops, "kind", is_counter=True)
    text = "Commands, by what became of them."
    commands = Asked("scandaq_mqtt_commands", text, lambda: dict(figures.commands), "result", is_counter=True)
    return [*asked, dropped, commands]


def document_figures(run: Callable[[], RunDocuments | None]) -> list[Asked]:
    """Return the figures of the run documents; `run` returns those of the run under way."""

    def figure(read: Callable[[RunDocuments], float]) -> float | None:
        documents = run()
        return None if documents is None else read(documents)

    return [
        Asked(f"scandaq_run_documents_{name}", text, partial(figure, read), is_counter=is_counter)
        for name, text, read, is_counter in _DOCUMENTS
    ]
