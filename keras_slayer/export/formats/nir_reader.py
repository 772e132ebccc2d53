"""``from_nir``: a NIR graph, of whatever tool, as a Keras model that trains."""

from __future__ import annotations

import os

import keras
import numpy as np

from keras_slayer import checks
from keras_slayer.export.formats.nir_file import read_tree
from keras_slayer.export.formats.nir_graph import Graph, read_graph
from keras_slayer.export.formats.nir_integers_reader import has_integers, network_of
from keras_slayer.export.formats.nir_neurons import Reading
from keras_slayer.export.formats.nir_plan import Plan, plan
from keras_slayer.export.formats.nir_tools import RESETS, TOOLS
from keras_slayer.export.graph_layers import keras_model
from keras_slayer.export.problems import Problem
from keras_slayer.export.targets import get_target


def from_nir(
    source: str | os.PathLike | object,
    *,
    tool: str | None = None,
    dt: float | None = None,
    reset: str | None = None,
    integers: bool | None = None,
) -> keras.Model:
    """A graph of the Neuromorphic Intermediate Representation (NIR) as a Keras model.

    The layers are those of this package: train the model on, save it, or export it to a chip. Read
    are Affine, Linear, Conv1d, Conv2d, SumPool2d, AvgPool2d, Flatten, Scale, Delay, Threshold, IF,
    LIF, CubaLIF, I, LI and CubaLI nodes, and graphs of them within the graph. A node that several
    edges lead to gets their sum. Neurons that feed themselves through one Affine or Linear are
    ``SpikingRecurrentDense``: a spike of one step is part of the input of the next. Other cycles
    are not read.

    NIR's neurons are equations in continuous time. With steps of ``dt`` seconds, a LIF node becomes
    a ``CUBA`` neuron, by a forward Euler step::

        v[t] = (1 - dt / tau) v[t-1] + (r dt / tau) x[t],    a spike and v = v_reset where
                                                             v > v_threshold

    v_leak adds dt / tau (v_leak - v_reset) to every step: a bias, or a constant beside the input.
    A CubaLIF node has ``i[t] = (1 - dt / tau_syn) i[t-1] + (w_in dt / tau_syn) x[t]`` as its x[t].
    The gain r dt / tau is divided out of the threshold, or put into the weights where it differs
    from neuron to neuron. The threshold is the next float32 above, since ``CUBA`` neurons spike at
    their threshold. docs/nir.md says for each tool what it writes, and what was measured.

    Files of ``export_loihi`` hold the chip's integers beside the nodes. Of these the model is one
    of ``LoihiCUBA`` neurons, and spikes as ``LoihiSimulator(source)`` does, to the bit: branches,
    loops, delays, biases.

    Args:
        source: path of a ``.nir`` file (read without the package ``nir``), or a ``nir.NIRGraph``.
        tool: which wrote the graph: "snntorch", "norse", "spikingjelly", "sinabs" or "rockpool",
            whose conventions then hold (``dt``, decays, gains, reset, spikes at the threshold), or
            "nir", the specification to the letter. None: "nir", and an error where other tools are
            known to mean something else.
        dt: seconds per step. None: what the metadata of the graph say, else that of the tool, which
            is 1e-4 for "nir".
        reset: what a spike does to the voltage: "zero" (it becomes v_reset), "subtract" (less
            the threshold: an ``ALIF`` neuron with ``beta=0``, or ``ResetCUBA``), or "late" (it
            becomes v_reset a step later, and the input of that step is lost: ``ResetCUBA``), as
            in snnTorch's RLeaky, Synaptic and RSynaptic with ``reset_mechanism="zero"`` and
            ``reset_delay=True``. None: as the tool.
        integers: True: the model of the chip's integers, which must be there. False: that of the
            nodes, in floating point. None: of the integers where there are any, unless ``tool``,
            ``dt`` or ``reset`` are given, which are about the nodes.

    Returns:
        keras.Model from (batch, time, ...) to (batch, time, ...). Images have their channels last:
        (height, width, channels), not (channels, height, width) as in NIR. A graph of several
        inputs or outputs takes or gives a list, in the order of the names in the file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: a bad argument, a damaged file, or a graph that this package cannot run. The
            message lists every node that is wrong, what is allowed, and what to do.
        TypeError: ``source`` is neither a path nor a graph.

    Example:

    >>> model = keras_slayer.export.from_nir("network.nir", tool="snntorch")
    >>> model.compile("adam", keras_slayer.losses.SpikeCountLoss(60, 10))
    """
    if tool is not None and tool not in TOOLS:
        raise ValueError(f"tool must be one of {tuple(TOOLS)} or None. Received: tool={tool!r}")
    if reset is not None and reset not in RESETS:
        raise ValueError(f"reset must be one of {RESETS} or None. Received: reset={reset!r}")
    if dt is not None:
        dt = checks.number(dt, "dt", open_low=True)
    where = os.fspath(source) if isinstance(source, str | os.PathLike) else type(source).__name__
    tree = read_tree(source)
    given = {"tool": tool, "dt": dt, "reset": reset}
    about_nodes = [name for name, value in given.items() if value is not None]
    if integers and about_nodes:
        raise ValueError(
            f"{about_nodes[0]} is about the nodes, which integers=True does not read: leave it "
            f"out. Received: {about_nodes[0]}={given[about_nodes[0]]!r}, integers=True"
        )
    if integers or (integers is None and not about_nodes and has_integers(tree)):
        return _of_integers(tree, where)
    graph, problems = read_graph(tree)
    meaning = TOOLS[tool or "nir"]
    problems += _metadata_problems(graph) if dt is None else []
    _refuse(problems if not graph.nodes else [], where)
    known = _metadata_dt(graph)
    reading = Reading(
        meaning, dt or known or meaning.dt, reset or meaning.reset, guessed=tool is None
    )
    planned = plan(graph, reading)
    problems += planned.problems
    _refuse(problems, where)
    return _model(graph, planned)


def _of_integers(tree: dict, where: str) -> keras.Model:
    """The model of the chip's integers."""
    try:
        network = network_of(tree, where)
    except ValueError as error:
        why = str(error).rstrip(".")
        raise ValueError(f"{why}. integers=False reads its nodes alone") from error
    model, problems = keras_model(network, get_target("loihi2"))
    _refuse(problems, where)
    return model


def _metadata_dt(graph: Graph) -> float | None:
    """Seconds per step that the graph itself gives."""
    value = graph.metadata.get("dt")
    try:
        dt = float(np.asarray(value).reshape(())) if value is not None else None
    except (TypeError, ValueError):
        return None
    return dt if dt is not None and np.isfinite(dt) and dt > 0 else None


def _metadata_problems(graph: Graph) -> list[Problem]:
    if "dt" not in graph.metadata or _metadata_dt(graph) is not None:
        return []
    what = f"its metadata say dt = {str(graph.metadata['dt'])[:40]}"
    return [Problem("graph", what, "seconds above 0", "give dt")]


def _refuse(problems: list[Problem], where: str) -> None:
    if not problems:
        return
    problems = list(dict.fromkeys(problems))
    count = f"{len(problems)} problem{'s' if len(problems) > 1 else ''}"
    lines = "\n".join(f"  - {problem}" for problem in problems)
    raise ValueError(f"The NIR graph cannot be read ({count}):\n{lines}\nReceived: source={where}")


def _model(graph: Graph, planned: Plan) -> keras.Model:
    """The functional model. Sums come before what they feed."""
    tensors = {
        name: keras.Input((None, *planned.signals[name].keras_shape)) for name in graph.inputs
    }
    inputs = list(tensors.values())
    for name in graph.nodes:
        if name in tensors:
            continue
        given = [tensors[source] for source in graph.sources[name]]
        x = keras.layers.Add()(given) if len(given) > 1 else given[0]
        for step in planned.steps[name]:
            x = step(x)
        tensors[name] = x
    outputs = [tensors[name] for name in graph.outputs]
    return keras.Model(*(each[0] if len(each) == 1 else each for each in (inputs, outputs)))
