"""One process that tries damaged files: ``fuzzing.py`` starts it and watches it.

    python tests/fuzz/fuzz_worker.py MODULE FOLDER FIRST COUNT SECONDS [KIND ...]

MODULE is a file with READERS and Refused (fuzz_readers.py). Case number i is file i of the corpus,
modulo their number, damaged with the random numbers of seed i. The number of the case in hand is
in FOLDER/case, and its file beside it, so that both are there if the process is not any more.
"""

from __future__ import annotations

import contextlib
import gc
import importlib.util
import json
import os
import pathlib
import random
import resource
import sys
import time
import traceback

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from fuzz_changes import mutated  # noqa: E402

# Of memory that reading takes at its peak, beside what the process has. Compressed data give up to
# a thousand times their size (deflate), and readers keep three copies of some.
FREE_BYTES, BYTES_PER_BYTE = 96 << 20, 3000
# Of addresses, so that a wish for terabytes fails instead of taking the machine.
ADDRESSES = 6 << 30
STATUS, CLEAR = pathlib.Path("/proc/self/status"), pathlib.Path("/proc/self/clear_refs")


def corpus(kinds) -> list[tuple[str, pathlib.Path, bytes]]:
    """(kind, path, content) of each file."""
    folders = sorted((HERE / "corpus").iterdir())
    folders = [folder for folder in folders if not kinds or folder.name in kinds]
    return [
        (folder.name, path, path.read_bytes())
        for folder in folders
        for path in sorted(folder.iterdir())
    ]


def options_of(number: int) -> random.Random:
    """What a reader's options in this case are drawn with."""
    return random.Random(f"options {number}")


def memory(field: str) -> int:
    """Bytes of this process: VmRSS, VmHWM, VmSize."""
    for line in STATUS.read_text().splitlines():
        if line.startswith(field + ":"):
            return 1024 * int(line.split()[1])
    raise KeyError(field)


class Worker:
    def __init__(self, module: str, folder: pathlib.Path, kinds):
        spec = importlib.util.spec_from_file_location("fuzzed_readers", module)
        self.readers = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = self.readers
        spec.loader.exec_module(self.readers)
        self.folder, self.files = folder, corpus(kinds)
        self.counts = {"read": 0, "refused": 0}
        self.slowest = self.most = 0
        self.state = open(folder / "case", "wb", buffering=0)  # noqa: SIM115
        self.findings = open(folder / "findings.jsonl", "a", buffering=1)  # noqa: SIM115
        self.by_kind = {
            kind: [data for other, _, data in self.files if other == kind]
            for kind, _, _ in self.files
        }

    def case(self, number: int) -> None:
        kind, original, data = self.files[number % len(self.files)]
        if kind not in self.readers.READERS:
            return
        data = mutated(random.Random(number), data, self.by_kind[kind])
        path = self.folder / f"damaged-of-{original.name}"
        path.write_bytes(data)
        self.state.seek(0)
        self.state.write(json.dumps({"case": number, "name": path.name, **self.figures()})
                         .encode().ljust(300))  # fmt: skip
        self.reset_peak()
        before, start = memory("VmRSS"), time.monotonic()
        try:
            self.readers.READERS[kind](path, options_of(number))
            self.counts["read"] += 1
        except self.readers.Refused:
            self.counts["refused"] += 1
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            self.found(number, path, kind, f"{type(error).__name__}: {error}", place(error))
        self.slowest = max(self.slowest, time.monotonic() - start)
        taken = memory("VmHWM") - before
        self.most = max(self.most, taken)
        if taken > FREE_BYTES + BYTES_PER_BYTE * len(data):
            self.found(number, path, kind, f"{taken >> 20} MiB for {len(data)} bytes", "memory")

    def reset_peak(self) -> None:
        # Where that is not allowed, the peak is that of all cases so far, and too high.
        with contextlib.suppress(OSError):
            CLEAR.write_text("5")

    def found(self, number, path, kind, message, where) -> None:
        kept = self.folder / f"{number}-{path.name}"
        kept.write_bytes(path.read_bytes())
        line = {"case": number, "kind": kind, "what": message[:400], "where": where}
        print(json.dumps({**line, "file": str(kept)}), file=self.findings)

    def run(self, first: int, count: int, seconds: float) -> dict:
        """Of the cases first .. first + count - 1, or as many as the seconds are enough for."""
        self.warm_up()
        resource.setrlimit(resource.RLIMIT_AS, (memory("VmSize") + ADDRESSES, -1))
        end, number = time.monotonic() + seconds, first
        while number < first + count and time.monotonic() < end:
            self.case(number)
            number += 1
            if number % 200 == 0:
                self.clean()
        return {"next": number, **self.figures()}

    def figures(self) -> dict:
        slowest = round(self.slowest, 3)
        return {**self.counts, "slowest_seconds": slowest, "most_bytes": self.most}

    def warm_up(self) -> None:
        """Imports and buffers are none of a case's memory."""
        for kind, path, _ in self.files:
            if kind in self.readers.READERS:
                with contextlib.suppress(self.readers.Refused):
                    self.readers.READERS[kind](path, random.Random(0))

    def clean(self) -> None:
        if "keras" in sys.modules:
            sys.modules["keras"].backend.clear_session()
        gc.collect()


def place(error: BaseException) -> str:
    """The innermost line of the package, else of anything."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if "keras_slayer" in f.filename] or frames
    return f"{os.path.basename(own[-1].filename)}:{own[-1].lineno}" if own else "nowhere"


def main() -> None:
    module, folder, first, count, seconds, *kinds = sys.argv[1:]
    worker = Worker(module, pathlib.Path(folder), kinds)
    print(json.dumps(worker.run(int(first), int(count), float(seconds))))


if __name__ == "__main__":
    main()
