"""Finds the reports of sanitizers in what a process wrote, for watched.py."""

from __future__ import annotations

import itertools
import pathlib
import re

OURS = re.compile(r"_native-|_simulator|_decoders|planted|keras_slayer/(ops|export|events)/csrc")
REPORT = re.compile(
    r"==\d+==ERROR: AddressSanitizer|WARNING: ThreadSanitizer|runtime error:|CHECK failed"
)


def reports(logs: pathlib.Path) -> tuple[list[str], int]:
    """The reports that name a place in the package's libraries, and how many others there are."""
    ours, others = [], 0
    for path in sorted(logs.glob("report*")):
        text = path.read_text(errors="replace")
        starts = [match.start() for match in REPORT.finditer(text)]
        for start, stop in itertools.pairwise([*starts, len(text)]):
            start = text.rfind("\n", 0, start) + 1
            report = text[start:stop]
            if OURS.search(report):
                ours.append(report)
            else:
                others += 1
    return ours, others


def title(report: str) -> str:
    """Kind and first place of a report, in a line."""
    places = [line for line in report.splitlines() if OURS.search(line)]
    kinds = r"AddressSanitizer: [\w-]+|ThreadSanitizer: [\w -]+|runtime error: .*"
    what = re.search(kinds, report)
    place = re.sub(r"^ *#[0-9]+ 0x[0-9a-f]+ ", "", places[0])
    return f"{what[0] if what else 'report'} at {place}"
