"""What W&B's offline files hold; its package reads them in Go alone."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

WRITTEN_S = 20.0
"""How long a file is waited for: `finish` of an offline run returns before its last block is written."""


def stored(folder: Path) -> Iterator[dict[str, Any]]:
    """Every offline W&B run below a folder: its id, name, group, config, history and summary."""
    for path in sorted(folder.rglob("*.wandb")):
        found: dict[str, Any] = {"history": [], "summary": {}, "config": {}}
        for record in whole(path):
            if record.HasField("run"):
                found |= {"id": record.run.run_id, "name": record.run.display_name}
                found |= {"group": record.run.run_group, "kind": record.run.job_type}
                found["config"] = {i.key: json.loads(i.value_json) for i in record.run.config.update}
            for item in record.history.item:
                key = item.key or "/".join(item.nested_key)
                found["history"].append((key, json.loads(item.value_json)))
            for item in record.summary.update:
                key = item.key or "/".join(item.nested_key)
                found["summary"][key] = json.loads(item.value_json)
        yield found


def whole(path: Path) -> list[Any]:
    """The records of a file, once the last of them says that the run has ended."""
    from wandb.proto import wandb_internal_pb2

    until = time.monotonic() + WRITTEN_S
    while True:
        records = []
        for data in log_records(path.read_bytes()):
            record = wandb_internal_pb2.Record()
            record.ParseFromString(data)
            records.append(record)
        if records and records[-1].HasField("exit"):
            return records
        assert time.monotonic() < until, f"{path} was never written to its end"
        time.sleep(0.05)


def log_records(content: bytes) -> Iterator[bytes]:
    """The records of a .wandb file: LevelDB's log format behind a header of 7 bytes."""
    position, parts = 7, b""
    while position + 7 <= len(content):
        room = 32768 - position % 32768
        if room < 7:
            position += room
            continue
        length = int.from_bytes(content[position + 4 : position + 6], "little")
        kind = content[position + 6]  # 1 whole, 2 first, 3 middle, 4 last
        parts += content[position + 7 : position + 7 + length]
        position += 7 + length
        if kind in (1, 4):
            yield parts
            parts = b""
