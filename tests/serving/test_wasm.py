"""examples/wasm: the spikes of LoihiSimulator in Node.js, and Errors that say what is wrong.

Skipped where no compiler for WebAssembly is (examples/wasm/Makefile says which), or no Node.js.
"""

import json
import os
import re
import shutil
import subprocess

import pytest
from cpp_cases import (
    DT,
    NETWORKS,
    SOURCES,
    STEPS,
    dense_network,
    graph_network,
    printed_spikes,
    simulated_spikes,
    write_recordings,
)

from keras_slayer.export import include_path, write_flat

WASM = SOURCES.parent / "wasm"
CLANG = os.environ.get("CLANG", "clang++-19")


@pytest.fixture(scope="module")
def module(tmp_path_factory):
    if not shutil.which("node") or not shutil.which(CLANG):
        pytest.skip(f"{CLANG} or node is not on this machine")
    found = subprocess.run(
        [CLANG, "--target=wasm32-wasi", "-x", "c++", "-E", "-"],
        input="#include <vector>",
        capture_output=True,
        text=True,
    )
    if found.returncode != 0:
        pytest.skip(f"{CLANG} has no C++ library for WebAssembly")
    out = tmp_path_factory.mktemp("wasm") / "network.wasm"
    settings = (f"OUT={out}", f"INCLUDE={include_path()}", f"CLANG={CLANG}")
    flags = "CXXFLAGS=-O1 -Wall -Wextra -Werror"
    subprocess.run(["make", "-C", WASM, *settings, flags], check=True, stdout=subprocess.DEVNULL)
    return out


def run(module, *arguments):
    return subprocess.run(
        ["node", WASM / "run_recording.mjs", *map(str, arguments)],
        env={**os.environ, "NETWORK_WASM": str(module)},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("name", NETWORKS)
def test_spikes_of_the_simulator(module, name, tmp_path):
    network = NETWORKS[name]()
    write_flat(network, tmp_path / "network.ksn")
    spikes, files = write_recordings(network, tmp_path)
    done = run(module, tmp_path / "network.ksn", STEPS, DT, *files)
    assert done.stderr == ""
    assert printed_spikes(done.stdout) == simulated_spikes(network, spikes)


def test_errors_of_the_program(module, tmp_path):
    write_flat(dense_network(), tmp_path / "network.ksn")
    (tmp_path / "events.csv").write_text("x,y,t,p\n1,0,3,0\n50,0,3,0\n")
    damaged = bytearray((tmp_path / "network.ksn").read_bytes())
    damaged[100] ^= 1
    (tmp_path / "damaged.ksn").write_bytes(damaged)
    for arguments, message in [
        ((), "usage: node run_recording.mjs"),
        (("damaged.ksn", 5, 1, "events.csv"), "network: byte .*: the checksum is wrong"),
        (("network.ksn", 5, 1, "events.csv"), "events: line 3 .* x must be 0 to 49"),
        (("network.ksn", "5x", 1, "events.csv"), "steps and dt must be positive, not NaN and 1"),
        (("network.ksn", 5, 1, "events.csv", "events.csv"), "takes 1 files of events"),
    ]:
        places = [tmp_path / a if str(a).endswith(("ksn", "csv")) else a for a in arguments]
        done = run(module, *places)
        assert done.returncode == (1 if arguments else 2) and done.stdout == ""
        assert re.search(message, done.stderr), done.stderr


USE = """
import { readFileSync } from "node:fs";
import { Network } from "./network.mjs";
const [wasm, file] = process.argv.slice(2);
const network = new Network(new WebAssembly.Module(readFileSync(wasm)), readFileSync(file));
const error = (work) => {
  try { work(); } catch (e) { return `${e.name}: ${e.message}`; }
};
const silent = [], all = [...Array(30).keys()];
const touch = [0, 7];
const first = [];
for (let step = 0; step < 12; ++step) first.push(network.step([all, touch]).map((s) => [...s]));
const refused = [[all], [[30], silent], [[-1], silent], [[0.5], silent], [silent, [2 ** 32]]].map(
  (spikes) => error(() => network.step(spikes)));
network.reset();
const again = [];
for (let step = 0; step < 12; ++step) again.push(network.step([all, touch]).map((s) => [...s]));
const descending = error(() => network.step([[3, 2], silent]));
const after = error(() => network.reset());
const { inputs, outputs } = network;
console.log(JSON.stringify({ first, again, refused, descending, after, inputs, outputs }));
"""


def test_the_class(module, tmp_path):
    """Names and shapes, rest, errors in JavaScript and from C++, and what is left after these."""
    write_flat(graph_network(), tmp_path / "network.ksn")
    done = subprocess.run(
        ["node", "--input-type=module", "-", module, tmp_path / "network.ksn"],
        input=USE.replace("./network.mjs", (WASM / "network.mjs").as_uri()),
        capture_output=True,
        text=True,
    )
    assert done.stderr == ""
    found = json.loads(done.stdout)
    assert found["inputs"] == [
        {"name": "camera", "shape": [5, 6, 1]},
        {"name": "touch", "shape": [8]},
    ]
    assert found["outputs"] == [
        {"name": "loop", "shape": [9]},
        {"name": "conv", "shape": [5, 6, 2]},
    ]
    assert found["first"] == found["again"] and any(any(step) for step in found["first"])
    assert found["refused"] == [
        "RangeError: the network has 2 inputs, not 1",
        "RangeError: places of input 0 must be 0 to 29, not 30",
        "RangeError: places of input 0 must be 0 to 29, not -1",
        "RangeError: places of input 0 must be 0 to 29, not 0.5",
        "RangeError: places of input 1 must be 0 to 7, not 4294967296",
    ]
    assert found["descending"] == "Error: places must ascend within 0..29"
    assert found["after"] == "Error: this network has failed before; make another one"
