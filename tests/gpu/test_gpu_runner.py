"""benchmarks/gpu/run.py, with the emulator in the place of a card."""

import ctypes
import json
import pathlib
import shutil
import sys

import emulation
import golden
import numpy as np
import pytest

sys.path.append(str(pathlib.Path(__file__).parents[2] / "benchmarks" / "gpu"))

import run


class Emulated:
    """What run.py asks of a card, with the memory of the host."""

    name, driver_version, architecture = "an emulated card", "none", 90

    def __init__(self):
        self._library = ctypes.CDLL(str(emulation.golden()))
        self._held = {}

    def allocate(self, size):
        array = np.full(size + 16, 0xFF, np.uint8)
        self._held[array.ctypes.data] = array
        return array.ctypes.data

    def free(self, address):
        del self._held[address]

    def write(self, address, data):
        self._held[address][: len(data)] = data

    def read(self, address, size):
        return self._held[address][:size].copy()

    def kernel(self, name):
        return name.encode()

    def launch(self, kernel, blocks, arguments):
        given = ctypes.create_string_buffer(arguments, len(arguments))
        assert self._library.keras_slayer_run(kernel, ctypes.c_int64(blocks), given) == 0

    def wait(self):
        pass


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    folder = tmp_path_factory.mktemp("golden")
    golden.record(folder)
    return folder


@pytest.fixture
def emulated(monkeypatch):
    monkeypatch.setattr(run, "Card", Emulated)
    monkeypatch.setattr(run, "compile_for", lambda card: {"nvrtc": "none"})


def test_what_is_recorded_can_be_repeated(recorded, emulated, tmp_path, capsys):
    output = tmp_path / "results.json"
    command = [str(recorded), "--check-only", "--output", str(output)]
    assert run.main(command) == 0
    checked = json.loads(output.read_text())["checked"]
    sources = "".join(path.read_text() for path in emulation.kernel_sources())
    assert len(checked) % 4 == 0 and len(checked) >= 4 * sources.count("\nKS_GPU_KERNEL(")
    assert all(result["difference"] == 0 for result in checked.values())
    assert f"{len(checked)} kernels checked, 0 give something else" in capsys.readouterr().out


def test_other_results_are_found(recorded, emulated, tmp_path, capsys):
    """One bit in what a kernel must give; and a change of what it must leave alone."""
    for name in ("cases.jsonl", "arrays.bin"):
        shutil.copy(recorded / name, tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "cases.jsonl").read_text().splitlines()]
    filter_case = next(c for c in lines if c["kernel"] == "fir_float" and c["blocks"] > 1)
    place = next(array["after"] for array in filter_case["arrays"] if "after" in array)
    data = np.memmap(tmp_path / "arrays.bin", np.uint8, "r+")
    data[place] ^= 1
    data.flush()
    pool = next(c for c in lines if c["kernel"] == "pool_sums_float")
    next(array for array in pool["arrays"] if "after" in array).pop("after")
    (tmp_path / "cases.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n")
    assert run.main([str(tmp_path), "--check-only"]) == 1
    said = capsys.readouterr().out
    assert "2 give something else" in said
    assert "fir_float: inf" in said and "pool_sums_float: inf" in said


def test_large_launches_are_described(recorded):
    """Each has its arrays, all of which its arguments point to; and is large."""
    timed = [case for case in run.Golden(recorded).cases if "timed" in case]
    assert len({case["timed"] for case in timed}) == len(timed) >= 20
    for case in timed:
        arrays = case["arrays"]
        assert {array for _, array, _ in case["pointers"]} == set(range(len(arrays)))
        assert case["moved"] == sum(array["bytes"] for array in arrays) > 2**20
        assert case["blocks"] > 10


def test_values_of_large_arrays():
    small = run.Golden.__new__(run.Golden)
    spikes = small.before({"fill": 0.02, "bytes": 3 << 20})
    assert spikes.mean() == pytest.approx(0.02, rel=0.05) and set(spikes) == {0, 1}
    numbers = small.before({"fill": "normal", "bytes": 4 << 20}).view("<f4")
    assert numbers.std() == pytest.approx(1, rel=0.01)


def test_without_a_gpu_it_says_so(recorded, capsys):
    if pathlib.Path("/dev/nvidia0").exists():
        pytest.skip("there is a GPU here")
    assert run.main([str(recorded)]) == 2
    assert capsys.readouterr().err.startswith("No GPU: ")
    with pytest.raises(SystemExit):
        run.main(["nowhere"])
    assert "'make golden' writes it" in capsys.readouterr().err


def test_differences():
    def of(kernel, a, b, dtype):
        as_bytes = [np.array(x, dtype).view(np.uint8) for x in (a, b)]
        return run.difference(kernel, *as_bytes)

    assert of("fir_float", [1.0, 2.0], [1.0, 2.0], "f4") == 0
    assert of("fir_float", [1.0, 2.0], [1.0, 2.0000002], "f4") == np.inf
    assert of("neuron_grad_Srm_double", [1.0, 4.0], [1.0, 4.0 + 4e-15], "f8") < 1e-14
    assert of("neuron_grad_Srm_double", [1.0, 4.0], [2.0, 4.0], "f8") == 0.25
    assert run.tolerance("neuron_grad_Srm_float") == 0
