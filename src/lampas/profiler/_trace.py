"""Traces in the format of chrome://tracing: JSON, one entry an event."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from typing import Any

from lampas.profiler._events import FunctionEvent

__all__ = ["write_trace"]


def write_trace(events: Iterable[FunctionEvent], path: Any, facts: dict[str, Any]) -> None:
    """Writes the events, and what else is known of the run; a path that ends in ``.gz`` is compressed."""
    pid = os.getpid()
    entries: list[dict[str, Any]] = [
        {"ph": "M", "name": "process_name", "ts": 0, "pid": pid, "tid": 0, "args": {"name": "python"}},
        {"ph": "M", "name": "process_labels", "ts": 0, "pid": pid, "tid": 0, "args": {"labels": "CPU"}},
    ]
    for event in events:
        more: dict[str, Any] = {"External id": event.id}
        if event.input_shapes:
            more["Input Dims"] = event.input_shapes
        if event.stack:
            more["Call stack"] = ";".join(reversed(event.stack))
        if event.flops:
            more["FLOPs"] = event.flops
        if event.cpu_memory_usage:
            more["Bytes"] = event.cpu_memory_usage
        entries.append(
            {
                "ph": "X",
                "cat": "user_annotation" if event.is_user_annotation else "cpu_op",
                "name": event.name,
                "pid": pid,
                "tid": event.thread,
                "ts": round(event.time_range.start, 3),
                "dur": round(event.time_range.elapsed_us(), 3),
                "args": more,
            }
        )
    content = {"schemaVersion": 1, "deviceProperties": [], **facts, "displayTimeUnit": "ms", "traceEvents": entries}
    text = json.dumps({**content, "traceName": os.fspath(path)})
    if os.fspath(path).endswith(".gz"):
        import gzip

        with gzip.open(path, "wt") as compressed:
            compressed.write(text)
        return
    with open(path, "w") as file:
        file.write(text)
