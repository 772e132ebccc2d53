"""Networks for the C++ program, and how it is compiled and run."""

import pathlib
import subprocess

import numpy as np

from keras_slayer.events import Events, write_events
from keras_slayer.export import LoihiSimulator, include_path
from keras_slayer.export.graph import (
    Connection,
    ConvSynapses,
    DenseSynapses,
    IntegerGraph,
    Population,
    graph_of,
)
from keras_slayer.export.network import IntegerConv, IntegerDense, IntegerNetwork, IntegerNeuron

SOURCES = pathlib.Path(__file__).resolve().parents[2] / "examples" / "cpp"
NEURON = IntegerNeuron(1024, 128, 80)
SLOW = IntegerNeuron(300, 60, 400)
STEPS, DT = 40, 0.7


def even(rng, *shape):
    return (2 * rng.integers(-30, 60, shape)).astype(np.int16)


def dense_network():
    """Two layers, the second with delays and biases."""
    rng = np.random.default_rng(1)
    delay = rng.integers(0, 63, (30, 6)).astype(np.uint8)
    bias = np.array([-40, 0, 3, 100, 4095, -4096], np.int32)
    return IntegerNetwork(
        (50,),
        (
            IntegerDense(even(rng, 50, 30), NEURON),
            IntegerDense(even(rng, 30, 6), SLOW, bias, delay),
        ),
    )


def conv_network():
    """Strides, padding, dilation, groups and a bias; images of H != W."""
    rng = np.random.default_rng(2)
    return IntegerNetwork(
        (7, 10, 2),
        (
            IntegerConv(even(rng, 3, 2, 2, 6), NEURON, (2, 1), (1, 0), (1, 2)),
            IntegerConv(
                even(rng, 2, 2, 1, 6), SLOW, (2, 2), groups=6, bias=np.arange(6, dtype=np.int32)
            ),
        ),
    )


def graph_network():
    """Two inputs, a branch, loops, neurons that a bias alone drives, two outputs."""
    rng = np.random.default_rng(3)
    image, vector = (5, 6, 1), (8,)
    populations = {
        "conv": Population(
            (5, 6, 2),
            NEURON,
            (
                Connection("camera", ConvSynapses(even(rng, 3, 3, 1, 2), padding=(1, 1))),
                Connection("conv", ConvSynapses(-even(rng, 3, 1, 1, 2), (1, 1), (1, 0), groups=2)),
                Connection("conv", ConvSynapses(even(rng, 1, 3, 2, 2), padding=(0, 1), delay=4)),
            ),
        ),
        "constant": Population((1,), NEURON, (), np.array([4000], np.int32)),
        "loop": Population(
            (9,),
            SLOW,
            (
                Connection("conv", DenseSynapses(even(rng, 60, 9))),
                Connection("touch", DenseSynapses(even(rng, 8, 9))),
                Connection("loop", DenseSynapses(even(rng, 9, 9), np.full((9, 9), 3, np.uint8))),
                Connection("constant", DenseSynapses(even(rng, 1, 9))),
            ),
        ),
    }
    return IntegerGraph({"camera": image, "touch": vector}, populations, ("loop", "conv"))


NETWORKS = {"dense": dense_network, "conv": conv_network, "graph": graph_network}


def compiled(folder, source, *flags):
    """A program of one source, compiled with every warning an error."""
    program, flags = folder / source.stem, ["-Wall", "-Wextra", "-Werror", *flags]
    if source.parent == SOURCES:  # with its own Makefile, as a user does
        settings = (f"OUT={program}", f"INCLUDE={include_path()}", f"CXXFLAGS={' '.join(flags)}")
        subprocess.run(["make", "-C", SOURCES, *settings], check=True, stdout=subprocess.DEVNULL)
        return program
    includes = ["-I", include_path(), "-I", SOURCES]
    subprocess.run(["g++", "-std=c++17", *flags, *includes, source, "-o", program], check=True)
    return program


def write_recordings(network, folder, density=0.1):
    """Random events for each input: (spikes as ``LoihiSimulator`` takes them, event files)."""
    graph = network if isinstance(network, IntegerGraph) else graph_of(network)
    rng = np.random.default_rng(0)
    spikes, files = {}, []
    for name, shape in graph.inputs.items():
        events = int(density * STEPS * np.prod(shape))
        t = np.sort(rng.integers(0, int(1.1 * STEPS * DT * 1000), events))  # some of them late
        places = [rng.integers(0, n, events) for n in shape]
        spikes[name] = np.zeros((1, STEPS, *shape), np.float32)
        step = np.floor(t / (DT * 1000)).astype(int)
        on_time = step < STEPS
        spikes[name][0, step[on_time], *(place[on_time] for place in places)] = 1
        if len(shape) == 1:
            recording = Events(x=places[0], t=t)
        else:
            recording = Events(x=places[1], y=places[0], t=t, polarity=places[2])
        files.append(folder / f"{name}.csv")
        write_events(files[-1], recording)
    return spikes, files


def run(program, *arguments):
    """What the program does; never a crash."""
    done = subprocess.run(
        [program, *map(str, arguments)],
        capture_output=True,
        text=True,
        errors="backslashreplace",  # a damaged name in an error need not be UTF-8
        check=False,
    )
    assert done.returncode in (0, 1, 2), done.stderr[-3000:]
    return done


def printed_spikes(text):
    """(output, step, neuron) of each line."""
    heading, *lines = text.splitlines()
    assert heading == "output,step,neuron"
    return [tuple(map(int, line.split(","))) for line in lines]


def simulated_spikes(network, spikes):
    """The same of ``LoihiSimulator``."""
    out = LoihiSimulator.from_network(network).run(spikes)
    outputs = out if isinstance(out, list) else [out]
    found = [
        (step, number, neuron)
        for number, output in enumerate(outputs)
        for step, neuron in np.argwhere(output.reshape(STEPS, -1)).tolist()
    ]
    return [(number, step, neuron) for step, number, neuron in sorted(found)]
