"""Prints the progress of a compilation."""

from __future__ import annotations

import sys
import time

PLAIN_INTERVAL = 5.0  # seconds between lines where they cannot be rewritten (a log, a notebook)


class Progress:
    """Prints progress on stderr: one line that is rewritten on a terminal, else one per 5 seconds.

    Call it as often as you like, with the number of files compiled and of all files.
    """

    def __init__(self):
        self._start = time.monotonic()
        self._terminal = sys.stderr.isatty()
        self._next = self._start + (0.0 if self._terminal else PLAIN_INTERVAL)

    def seconds(self) -> float:
        """Seconds since this object was made."""
        return time.monotonic() - self._start

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + (0.5 if self._terminal else PLAIN_INTERVAL)
        text = f"keras_slayer: {done} of {total} parts compiled, {self.seconds():.0f} s"
        print(*(["\r", text] if self._terminal else [text, "\n"]), sep="", end="", file=sys.stderr)
        sys.stderr.flush()

    def end(self) -> None:
        """Clears the line, so that what follows starts at its beginning."""
        if self._terminal:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
