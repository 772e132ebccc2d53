"""Checks every GPU kernel on a card and times it: NumPy, NVRTC and the driver, no TensorFlow.

    make golden                                      # writes GOLDEN/cases.jsonl and arrays.bin
    python benchmarks/gpu/run.py GOLDEN              # on the machine with the card
    python benchmarks/gpu/run.py GOLDEN --output gpu.json

GOLDEN holds launches of every kernel at small, odd sizes, with their arrays before and after: what
the kernel gave on the host, where it is equal to the bit to that of the CPU. On the card it must
give the same, to the bit where no function of a mathematical library takes part (see TOLERANCE).
Then large launches are timed, next to a copy of as many bytes on the same card, in the same run.

Exits with 1 if a kernel gives something else, and with 2 if there is no GPU.
"""

from __future__ import annotations

import argparse
import collections
import datetime
import json
import pathlib
import statistics
import sys
import types

import numpy as np
from driver import Card, NoCardError, with_addresses

ROOT = pathlib.Path(__file__).resolve().parents[2]


def without_tensorflow() -> None:
    """Lets the package's compiler be imported where there is no TensorFlow."""
    if "keras_slayer" in sys.modules:
        return
    for name in ("keras_slayer", "keras_slayer.ops"):
        package = types.ModuleType(name)
        package.__path__ = [str(ROOT / name.replace(".", "/"))]
        sys.modules[name] = package


# Largest difference, of the largest value, where std::exp2 of double takes part: that of the card
# and that of the host differ in the last bit. All else is equal to the bit.
TOLERANCE = {"neuron_grad": {"double": 1e-14}, "srm_fir_grad": {"double": 1e-14}}
NUMPY = {"float": "<f4", "double": "<f8", "Half": "<f2", "Bfloat16": "<u2"}
REPEATS, COPIES = 20, 20


def type_of(kernel: str) -> str:
    return kernel.rsplit("_", 1)[1]


def tolerance(kernel: str) -> float:
    for start, by_type in TOLERANCE.items():
        if kernel.startswith(start):
            return by_type.get(type_of(kernel), 0.0)
    return 0.0


def difference(kernel: str, actual: np.ndarray, expected: np.ndarray) -> float:
    """Of arrays of bytes: 0 if they are equal, otherwise relative to the largest value."""
    if np.array_equal(actual, expected):
        return 0.0
    if tolerance(kernel) == 0:
        return float("inf")
    actual, expected = actual.view(NUMPY[type_of(kernel)]), expected.view(NUMPY[type_of(kernel)])
    return float(np.max(np.abs(actual - expected)) / np.max(np.abs(expected)))


class Golden:
    """Recorded launches.

    A case has: kernel, blocks, args (bytes in hexadecimal), arrays, and pointers (place in args,
    array, place in the array). An array has `bytes`, and `before` and `after`, places in
    arrays.bin; without `after` it must not change. A case to be timed has `timed`, what it is
    called, and `moved`, how many bytes it must at least move; its arrays have `fill` in place of
    values: "normal", or the share of bytes that are 1.
    """

    def __init__(self, folder: pathlib.Path):
        lines = (folder / "cases.jsonl").read_text().splitlines()
        self.cases = [json.loads(line) for line in lines]
        self._data = np.memmap(folder / "arrays.bin", np.uint8, "r")

    def array(self, place: int, size: int) -> np.ndarray:
        return np.asarray(self._data[place : place + size])

    def before(self, array: dict) -> np.ndarray:
        """The bytes of an array before the launch."""
        if "fill" not in array:
            return self.array(array["before"], array["bytes"])
        random, part = np.random.default_rng(0), 1 << 20
        if array["fill"] == "normal":
            values = random.normal(size=part).astype("<f4").view(np.uint8)
        else:
            values = (random.random(part) < array["fill"]).astype(np.uint8)
        return np.resize(values, array["bytes"])


class Launch:
    """The arrays of a case on the card, for as long as `with` lasts."""

    def __init__(self, card: Card, golden: Golden, case: dict):
        self._card, self._golden, self.case = card, golden, case

    def __enter__(self) -> Launch:
        arrays = self.case["arrays"]
        self._addresses = [self._card.allocate(array["bytes"]) for array in arrays]
        for address, array in zip(self._addresses, arrays, strict=True):
            self._card.write(address, self._golden.before(array))
        self._kernel = self._card.kernel(self.case["kernel"])
        self._arguments = with_addresses(
            bytes.fromhex(self.case["args"]), self.case["pointers"], self._addresses
        )
        return self

    def __exit__(self, *_) -> None:
        for address in self._addresses:
            self._card.free(address)

    def run(self) -> None:
        self._card.launch(self._kernel, self.case["blocks"], self._arguments)

    def worst(self) -> float:
        """The largest difference of an array from what it must be."""
        found = [0.0]
        for address, array in zip(self._addresses, self.case["arrays"], strict=True):
            place = array.get("after", array["before"])
            expected = self._golden.array(place, array["bytes"])
            actual = self._card.read(address, array["bytes"])
            found.append(difference(self.case["kernel"], actual, expected))
        return max(found)


def check(card: Card, golden: Golden) -> dict[str, dict]:
    """By kernel: launches, and the largest difference."""
    results: dict[str, dict] = collections.defaultdict(lambda: {"launches": 0, "difference": 0.0})
    for case in golden.cases:
        if "timed" in case:
            continue
        with Launch(card, golden, case) as launch:
            launch.run()
            card.wait()
            result = results[case["kernel"]]
            result["launches"] += 1
            result["difference"] = max(result["difference"], launch.worst())
    for kernel, result in results.items():
        result["passed"] = result["difference"] <= tolerance(kernel)
    return dict(results)


def copy_bandwidth(card: Card, size: int) -> float:
    """Bytes read and written per second by a copy that moves `size` of them."""
    half = max(size // 2, 1)
    source, to = card.allocate(half), card.allocate(half)
    try:
        times = card.seconds(lambda: card.copy(to, source, half), COPIES + 1)[1:]
    finally:
        card.free(source)
        card.free(to)
    return 2 * half / statistics.median(times)


def measure(card: Card, golden: Golden) -> list[dict]:
    rows = []
    for case in golden.cases:
        if "timed" not in case:
            continue
        with Launch(card, golden, case) as launch:
            times = card.seconds(launch.run, REPEATS + 1)[1:]
        copy = copy_bandwidth(card, case["moved"])
        median = statistics.median(times)
        rows.append(
            {
                "what": case["timed"],
                "kernel": case["kernel"],
                "milliseconds": 1000 * median,
                "slowest": 1000 * max(times),
                "gigabytes_per_second": case["moved"] / median / 1e9,
                "copy_gigabytes_per_second": copy / 1e9,
                "share_of_copy": case["moved"] / median / copy,
            }
        )
    return rows


def compile_for(card: Card) -> dict:
    """Compiles all kernels for the card and loads them; says with which compiler."""
    without_tensorflow()
    from keras_slayer.ops.gpu import kernels, nvrtc

    compiler = nvrtc.load()
    compiled = list(kernels.Kernels(compiler).compile_all(kernels.parts([card.architecture])))
    for part in compiled:
        if isinstance(part, Exception):
            raise part
        card.load(part.code)
    return {
        "nvrtc": "{}.{}".format(*compiler.version),
        "seconds_to_compile": round(sum(part.seconds for part in compiled), 1),
    }


def main(argv=None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("golden", type=pathlib.Path, help="folder of recorded launches")
    parser.add_argument("--output", type=pathlib.Path, help="file for all results, JSON")
    parser.add_argument("--check-only", action="store_true", help="time nothing")
    arguments = parser.parse_args(argv)
    if not (arguments.golden / "cases.jsonl").is_file():
        parser.error(f"{arguments.golden} has no cases.jsonl: 'make golden' writes it")
    try:
        card = Card()
    except NoCardError as error:
        print(f"No GPU: {error}. Nothing was checked.", file=sys.stderr)
        return 2
    about = {"card": card.name, "architecture": f"sm_{card.architecture}"}
    about |= {"driver": card.driver_version, **compile_for(card)}
    about["date"] = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")
    print(", ".join(f"{name} {value}" for name, value in about.items()))
    golden = Golden(arguments.golden)
    checked = check(card, golden)
    failed = [kernel for kernel, result in checked.items() if not result["passed"]]
    print(f"{len(checked)} kernels checked, {len(failed)} give something else")
    for kernel in failed:
        print(f"  {kernel}: {checked[kernel]['difference']:.3g} of the largest value")
    timed = [] if arguments.check_only else measure(card, golden)
    for row in timed:
        print(
            f"{row['what']}: {row['milliseconds']:.3f} ms, {row['gigabytes_per_second']:.0f} GB/s, "
            f"{row['share_of_copy']:.0%} of a copy"
        )
    if arguments.output:
        results = {**about, "checked": checked, "timed": timed}
        arguments.output.write_text(json.dumps(results, indent=1) + "\n")
        print(f"written: {arguments.output}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
