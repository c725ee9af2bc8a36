"""One line of progress at most every few seconds, on the terminal and in the run's log: done, rate, time left."""
from __future__ import annotations

import sys
import time
from pathlib import Path

SECONDS_BETWEEN_LINES = 5.0


class Progress:
    """Counts `unit`s of a stage up to `total` (0: unknown). `log_file` is appended to; its folder is made."""

    def __init__(self, stage: str, total: int, unit: str, log_file: Path | None = None, done: int = 0, quiet: bool = False) -> None:
        self.stage, self.total, self.unit, self.done = stage, total, unit, done
        self._log_file, self._quiet = log_file, quiet
        self._started, self._first, self._last_line = time.monotonic(), done, 0.0
        if log_file is not None:
            log_file.parent.mkdir(parents=True, exist_ok=True)

    def advance(self, count: int, note: str = "") -> None:
        self.done += count
        now = time.monotonic()
        if now - self._last_line < SECONDS_BETWEEN_LINES and self.done != self.total:
            return
        self._last_line = now
        rate = (self.done - self._first) / max(now - self._started, 1e-9)
        parts = [f"{self.done:,}" + (f" of {self.total:,}" if self.total else "") + f" {self.unit}", f"{rate:,.0f}/s"]
        if self.total > self.done and rate > 0:
            parts.append(f"{duration((self.total - self.done) / rate)} left")
        self.say(", ".join(parts + ([note] if note else [])))

    def say(self, text: str) -> None:
        if self._quiet:
            return
        line = f"{time.strftime('%H:%M:%S')} {self.stage}: {text}"
        print(line, file=sys.stderr, flush=True)
        if self._log_file is not None:
            with open(self._log_file, "a", encoding="utf-8") as file:
                file.write(line + "\n")


def duration(seconds: float) -> str:
    """3725 -> '1 h 02 min'."""
    minutes, rest = divmod(int(seconds + 0.5), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
