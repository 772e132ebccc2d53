"""Resident memory of this process over time, and whether it grows."""

from __future__ import annotations

import pathlib
import time

STATUS = pathlib.Path("/proc/self/status")
SETTLED = 1 / 3  # of the samples are left out: caches fill
LIMIT = 24 << 20  # bytes that memory may seem to grow by, over the rest; the system's own noise


def resident() -> int:
    """Bytes; 0 where the system does not tell."""
    if not STATUS.exists():
        return 0
    fields = dict(line.split(":", 1) for line in STATUS.read_text().splitlines())
    return 1024 * int(fields["VmRSS"].split()[0])


def line(points: list[tuple[float, float]]) -> float:
    """Slope of the straight line with the least squares; 0 for fewer than three points."""
    if len(points) < 3:
        return 0.0
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    below = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / below if below else 0.0


class Resident:
    """Samples of resident memory, taken by ``look`` at most ``often`` seconds apart."""

    def __init__(self, often: float = 0.25):
        self.often, self.points = often, []
        self._start = self._last = time.monotonic()

    def look(self, always: bool = False) -> None:
        now = time.monotonic()
        if always or not self.points or now - self._last >= self.often:
            self._last = now
            self.points.append((now - self._start, float(resident())))

    def figures(self, limit: int = LIMIT) -> dict:
        """First, last and most; and the slope after the first third, with what it must not pass."""
        self.look(always=True)
        fitted = self.points[int(SETTLED * len(self.points)) :]
        slope, span = line(fitted), fitted[-1][0] - fitted[0][0]
        return {
            "samples": len(self.points),
            "megabytes": [round(y / 2**20, 1) for y in (
                self.points[0][1], self.points[-1][1], max(y for _, y in self.points)
            )],
            "slope_kilobytes_per_minute": round(slope * 60 / 1024, 1),
            "growth_megabytes": round(slope * span / 2**20, 2),
            "minutes": round(span / 60, 2),
            "failures": [
                f"memory grows: {slope * span / 2**20:.1f} MB in {span / 60:.1f} minutes"
            ] if slope * span > limit else [],
        }  # fmt: skip
