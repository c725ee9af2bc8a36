"""Finished jobs, one JSON line each, appended whole by however many processes; who runs a job holds its lock, which dies with the process."""
from __future__ import annotations

import fcntl
import json
import os
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ..config import RunConfig
from ..files import claimed
from .jobs import Job

Record = dict[str, Any]


def read_lines(path: Path) -> list[Record]:
    """The whole lines of a file of JSON lines; none where there is no file. What a killed process left half-written is passed over."""
    if not path.exists():
        return []
    records = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict):
            records.append(record)
    return records


def append_line(path: Path, record: Record) -> None:
    """Raises ValueError for NaN and infinity: a figure that is no number must not be written as one."""
    line = json.dumps(record, ensure_ascii=False, allow_nan=False).encode() + b"\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "ab+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        size = file.seek(0, os.SEEK_END)
        if size:
            file.seek(size - 1)
            if file.read(1) != b"\n":
                line = b"\n" + line
        file.write(line)
        file.flush()
        os.fsync(file.fileno())


class Results:
    """config.result_lines: a job's line counts while its fingerprint (checkpoints, settings, text) is what it would be run with now."""

    def __init__(self, config: RunConfig) -> None:
        self.path, self._claims = config.result_lines, config.work / "evaluation" / "claims"

    def finished(self) -> dict[tuple[str, str], Record]:
        """(job key, fingerprint) -> its first line."""
        lines: dict[tuple[str, str], Record] = {}
        for record in read_lines(self.path):
            if {"domain", "seed", "system", "strategy", "fingerprint"} <= record.keys():
                lines.setdefault((job_of(record).key, record["fingerprint"]), record)
        return lines

    def append(self, record: Record) -> None:
        append_line(self.path, record)

    def claimed(self, job: Job) -> AbstractContextManager[bool]:
        """True inside when no other living process is running this job."""
        return claimed(self._claims / quote(job.key, safe=" "))


def job_of(record: Record) -> Job:
    return Job(record["domain"], record["seed"], record["system"], record["strategy"])
