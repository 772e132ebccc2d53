"""The picture of the cores: one square for each, in which colour, how dark, and what it says."""

import dataclasses
import itertools
import xml.etree.ElementTree

import numpy as np
import pytest

from keras_slayer.export.graph import Connection, DenseSynapses, IntegerGraph, Population
from keras_slayer.export.mapping.mapping import map_network
from keras_slayer.export.network import IntegerDense, IntegerNetwork, IntegerNeuron
from keras_slayer.export.targets.loihi1 import CHIP as LOIHI1
from keras_slayer.visualization.core_map import plot_core_map

mpl = pytest.importorskip("matplotlib")


def mapping_of(*sizes, cores=128, names=None):
    """A network of dense layers on chips of ``cores`` cores."""
    layers = [
        IntegerDense(np.ones(shape, np.int16), IntegerNeuron(1024, 128, 80))
        for shape in itertools.pairwise(sizes)
    ]
    chip = dataclasses.replace(LOIHI1, cores=cores)
    mapping, problems = map_network(IntegerNetwork(sizes[:1], tuple(layers)), chip, names)
    assert not problems
    return mapping


def squares(ax):
    """(column, row) of each square and its colour, used and free ones in one list."""
    places, colours = [], []
    for collection in ax.collections:
        faces = collection.get_facecolors()
        for i, path in enumerate(collection.get_paths()):
            places.append(tuple(path.get_extents().min.round().astype(int)))
            colours.append(tuple(faces[i % len(faces)][:3]))
    return dict(zip(places, colours, strict=True))


def texts(ax):
    return [text.get_text() for text in ax.texts]


def test_every_core_has_its_place_and_colour():
    mapping = mapping_of(2312, 512, 10, names=["hidden", "output"])
    chip, _ = plot_core_map(mapping).axes
    drawn = squares(chip)
    assert set(drawn) == {(x, y) for x in range(16) for y in range(8)}
    full, partly, output, free = (drawn[(x, 0)] for x in (0, 10, 11, 12))
    assert {drawn[(x, 0)] for x in range(10)} == {full}
    assert len({full, partly, output, free}) == 4
    assert set(drawn.values()) == {full, partly, output, free}
    # The eleventh core has 42 neurons instead of 47: same hue, nearer to white.
    paler = (1 - np.array(partly)) / (1 - np.array(full))
    np.testing.assert_allclose(paler, paler[0])
    assert 0.8 < paler[0] < 1
    assert texts(chip) == ["1"] * 11 + ["2"]


def test_the_darkness_of_a_core_is_its_tightest_resource():
    halves = mapping_of(2, 1024 + 512)  # 768 neurons on each of two cores
    (core, _) = halves.cores
    assert core.utilisation.tightest == ("compartments", 0.75)
    full, half = (squares(plot_core_map(m).axes[0])[(0, 0)] for m in (mapping_of(2, 1024), halves))
    ratio = (1 - np.array(half)) / (1 - np.array(full))
    np.testing.assert_allclose(ratio, 0.18 + 0.82 * 0.75)


def test_the_table_says_what_each_layer_takes_and_what_limits_it():
    mapping = mapping_of(2312, 512, 10, names=["hidden", "a_name_of_that_many_letters"])
    figure = plot_core_map(mapping)
    shown = texts(figure.axes[-1])
    for text in ("hidden", "512", "11", "97%", "synaptic memory"):
        assert text in shown
    for text in ("a_name_of_that_m…", "10", "12%", "fits on one core"):
        assert text in shown
    assert figure.get_suptitle() == "Loihi 1: 12 of 128 cores"
    assert plot_core_map(mapping, title="MLP").get_suptitle() == "MLP"


def test_each_chip_has_a_grid_of_its_own():
    mapping = mapping_of(2312, 512, 300, 10, cores=5)
    assert mapping.chips == 3
    figure = plot_core_map(mapping)
    grids = [ax for ax in figure.axes if any(text.startswith("chip") for text in texts(ax))]
    assert [texts(ax) for ax in grids] == [["chip 1"], ["chip 2"], ["chip 3"]]
    assert [len(squares(ax)) for ax in grids] == [5, 5, 5]
    assert figure.get_suptitle() == "Loihi 1: 14 of 15 cores, 3 chips"
    last = list(squares(grids[2]).values())
    assert len(set(last)) == 4  # two layers, one of them on two cores alike, and a free core


def test_cores_have_the_colour_of_their_layer_in_the_table():
    mapping = mapping_of(*[1024] * 5)
    chip, table = plot_core_map(mapping).axes
    drawn, legend = squares(chip), squares(table)
    seen = set()
    for core in mapping.cores:
        ink = 1 - np.array(drawn[(core.core_on_chip % 16, core.core_on_chip // 16)])
        full = 1 - np.array(legend[(0, core.layer + 1)])
        share = 0.18 + 0.82 * core.utilisation.tightest[1]
        np.testing.assert_allclose(ink, share * full)
        seen.add(tuple(full))
    assert len(seen) == len(mapping.layers) == 4


def test_more_layers_than_colours():
    mapping = mapping_of(*[20] * 9)
    drawn = squares(plot_core_map(mapping).axes[0])
    colours = [drawn[(x, 0)] for x in range(8)]
    assert all(a != b for a, b in itertools.pairwise(colours))


def test_the_populations_of_a_graph():
    neuron = IntegerNeuron(1024, 128, 80)

    def population(size, *sources):
        connections = (
            Connection(name, DenseSynapses(np.ones((inputs, size), np.int16)))
            for name, inputs in sources
        )
        return Population((size,), neuron, tuple(connections))

    populations = {
        "constant": population(1),
        "a_layer_of_the_model": population(600, ("x", 200)),
        "a_layer_of_the_model/relay": population(200, ("x", 200)),
        "sum": population(
            90, ("a_layer_of_the_model", 600), ("a_layer_of_the_model/relay", 200), ("sum", 90)
        ),
    }
    graph = IntegerGraph({"x": (200,)}, populations, ("sum",))
    mapping, problems = map_network(graph, LOIHI1)
    assert not problems
    chip, table = plot_core_map(mapping).axes
    used = {core.core_on_chip: str(core.layer + 1) for core in mapping.cores}
    assert texts(chip) == [used[i] for i in sorted(used)]
    shown = texts(table)
    for name in ("constant", "a_layer_of_the_m…", "a_layer_of…/relay", "sum"):
        assert name in shown


def test_files(tmp_path):
    from PIL import Image

    mapping = mapping_of(2312, 512, 10)
    plot_core_map(mapping, tmp_path / "new" / "cores.png")
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["cores.png"]
    with Image.open(tmp_path / "new" / "cores.png") as image:
        assert image.size[0] == 2000
    plot_core_map(mapping, str(tmp_path / "cores.svg"))
    tag = xml.etree.ElementTree.parse(tmp_path / "cores.svg").getroot().tag
    assert tag == "{http://www.w3.org/2000/svg}svg"


def test_a_mapping_without_cores_is_refused():
    nothing = dataclasses.replace(mapping_of(3, 2), cores=(), layers=(), chips=0)
    with pytest.raises(ValueError, match="`mapping` must have cores"):
        plot_core_map(nothing)
