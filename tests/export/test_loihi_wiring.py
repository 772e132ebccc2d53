"""The wiring of a network: its steps by hand and by all paths, its layout, its drawing."""

import itertools
import re
import xml.etree.ElementTree
from dataclasses import asdict, replace

import pytest
from mapping_cases import gesture, mlp, place
from mapping_graph_cases import dense, population, residual
from random_graphs import RandomGraphs
from report_cases import HOSTILE
from wiring_cases import mixed

from keras_slayer.export.graph import ConvSynapses, IntegerGraph, graph_of
from keras_slayer.export.report.wiring import reads, steps, when, wiring_of
from keras_slayer.export.report.wiring_layout import layout
from keras_slayer.export.report.wiring_svg import LEVELS_IN_A_ROW, draw, fits_in_a_row, shorten

# Steps


def test_wiring_by_hand():
    wiring = wiring_of(mixed())
    nodes = {node.name: node for node in wiring.nodes}
    assert list(nodes)[:3] == ["camera", "imu", "constant"]
    rows = {name: (n.role, n.neurons, n.earliest, n.latest) for name, n in nodes.items()}
    assert rows == {
        "camera": ("input", 288, 0, 0),
        "imu": ("input", 6, 0, 0),
        "constant": ("constant", 1, None, None),
        "conv": ("neurons", 576, 1, 1),
        "encoder": ("neurons", 20, 3, 10),
        "memory": ("neurons", 30, 4, 11),
        "encoder/relay": ("relay", 20, 4, 11),
        "encoder/relay/relay": ("relay", 20, 5, 12),
        "fusion": ("neurons", 40, 2, 13),
        "steering": ("neurons", 3, 3, 14),
        "speed": ("neurons", 1, 3, 16),
    }
    assert [name for name, node in nodes.items() if node.is_output] == ["steering", "speed"]
    assert not wiring.is_chain
    links = {(link.source, link.target): link for link in wiring.links}
    assert len(links) == len(wiring.links) == 13
    late = links["imu", "encoder"]
    assert (late.type, late.weights, late.shortest_delay, late.longest_delay) == (
        "dense",
        120,
        2,
        9,
    )
    assert (late.earliest, late.latest) == (3, 10)
    loop = links["memory", "memory"]
    assert loop.is_loop and (loop.shortest_delay, loop.earliest, loop.latest) == (1, None, None)
    assert links["camera", "conv"].type == "conv"
    paths = {link.source: (link.earliest, link.latest) for link in wiring.into("fusion")}
    assert paths == {"conv": (2, 2), "memory": (5, 12), "encoder/relay/relay": (6, 13)}
    assert links["constant", "conv"].earliest is None


def delays_of(connection):
    synapses = connection.synapses
    if isinstance(synapses, ConvSynapses):
        return synapses.delay, synapses.delay
    if synapses.delay is not None:
        used = synapses.delay[synapses.weight != 0]
        return (int(used.min()), int(used.max())) if used.size else (0, 0)
    return 0, 0


def all_arrivals(graph, name):
    """(earliest, latest) on every path from an input to ``name``, one by one."""
    if name in graph.inputs:
        return [(0, 0)]
    return [
        (low + 1 + delays_of(connection)[0], high + 1 + delays_of(connection)[1])
        for connection in graph.populations[name].connections
        if connection.source != name
        for low, high in all_arrivals(graph, connection.source)
    ]


@pytest.mark.parametrize("seed", range(20))
def test_steps_of_all_paths(seed):
    graph = RandomGraphs(seed).graph()
    wiring = wiring_of(graph)
    for node in wiring.nodes:
        arrivals = all_arrivals(graph, node.name)
        assert node.earliest == min((low for low, _ in arrivals), default=None)
        assert node.latest == max((high for _, high in arrivals), default=None)


@pytest.mark.parametrize("network", [gesture, lambda: mlp(5, 4, 3)])
def test_a_chain_is_told_from_other_graphs(network):
    graph = graph_of(network())
    wiring = wiring_of(graph)
    assert wiring.is_chain
    assert [node.earliest for node in wiring.nodes] == list(range(len(wiring.nodes)))
    first, *others = graph.populations
    for connections in (
        [("input", 1), (first, 2)],  # reads the input, too
        [(others[-1], 1), ("end", 1)],  # feeds itself
    ):
        sizes = {name: population.size for name, population in graph.populations.items()}
        sizes |= {"input": int(len(graph.inputs) and wiring.nodes[0].neurons), "end": 2}
        end = population((2,), *((source, dense(sizes[source], 2)) for source, _ in connections))
        longer = IntegerGraph(graph.inputs, {**graph.populations, "end": end}, ("end",))
        assert not wiring_of(longer).is_chain


def test_steps_and_nodes_in_words():
    assert steps(3, 3) == "step 3"
    assert steps(3, 1005) == "steps 3-1,005"
    assert steps(None, None) == "no path"
    wiring = wiring_of(mixed())
    nodes = {node.name: node for node in wiring.nodes}
    assert when(nodes["camera"]) == "input"
    assert when(nodes["constant"]) == "constant"
    assert when(nodes["encoder/relay"]) == "relay, steps 4-11"
    assert when(nodes["speed"]) == "steps 3-16, output"
    assert reads(wiring, "conv") == "camera (step 1), constant"
    assert reads(wiring, "encoder") == "imu (delay 2-9)"
    assert reads(wiring, "memory") == "encoder, itself (delay 1)"
    assert reads(wiring, "speed") == "fusion (steps 3-14), encoder (steps 9-16, delay 5)"
    assert reads(wiring, "constant") == ""


# Layout


@pytest.mark.parametrize("seed", range(12))
def test_links_lead_onwards_and_nothing_overlaps(seed):
    wiring = wiring_of(RandomGraphs(seed).graph(populations=8))
    plan = layout(wiring, 10.0, 4.0)
    assert {node.name for node in wiring.nodes} <= set(plan.level)
    assert min(plan.level.values()) == 0
    for number, way in plan.ways.items():
        link = wiring.links[number]
        assert (way[0], way[-1]) == (link.source, link.target)
        for before, after in itertools.pairwise(way):
            assert plan.level[after] == plan.level[before] + 1
    size = {item: 4.0 if isinstance(item, tuple) else 10.0 for item in plan.level}
    for a, b in itertools.combinations(plan.level, 2):
        if plan.level[a] == plan.level[b]:
            room = (size[a] + size[b]) / 2
            assert abs(plan.across[a] - plan.across[b]) >= room - 1e-6
    assert min(plan.across[i] - size[i] / 2 for i in plan.level) == pytest.approx(0)
    assert max(plan.across[i] + size[i] / 2 for i in plan.level) == pytest.approx(plan.extent)


def test_a_constant_source_lies_beside_what_it_leads_to():
    graph = mixed()
    late = {"constant": population((1,))} | {
        name: replace(p, connections=tuple(c for c in p.connections if c.source != "constant"))
        for name, p in graph.populations.items()
        if name != "constant"
    }
    late["last"] = population((2,), ("steering", dense(3, 2)), ("constant", dense(1, 2)))
    level = layout(wiring_of(IntegerGraph(graph.inputs, late, ("last",))), 10.0, 4.0).level
    assert level["constant"] == level["steering"] == level["last"] - 1 > 3


def test_the_trunk_of_a_residual_network_is_straight():
    plan = layout(wiring_of(residual(8, (2, 3), 1)), 10.0, 4.0)
    trunk = [plan.across[name] for name in ("input", "stem", "2/0", "3/0", "pool", "output")]
    assert max(trunk) - min(trunk) < 1


# Drawing


def drawing(graph):
    mapping = place(graph)
    source = draw(wiring_of(graph), {layer.name: layer.cores for layer in mapping.layers})
    return source, xml.etree.ElementTree.fromstring(source)


def groups(svg, kind):
    return [g for g in svg.iter("g") if g.get("class", "").split()[0] == kind]


def test_every_node_and_link_is_drawn():
    _, svg = drawing(mixed())
    nodes = {g.find("title").text: g for g in groups(svg, "node")}
    assert set(nodes) == {node.name for node in wiring_of(mixed()).nodes}
    assert len(groups(svg, "link")) == 13
    texts = {name: [t.text for t in g.findall("text")] for name, g in nodes.items()}
    assert texts["camera"] == ["camera", "288 inputs", "input"]
    assert texts["constant"] == ["1 constant", "1 neuron, 1 core", "constant"]
    assert texts["fusion"] == ["7 fusion", "40 neurons, 1 core", "steps 2-13"]
    assert nodes["encoder/relay"].get("class") == "node relay"
    assert nodes["speed"].get("class") == "node neurons output"
    assert nodes["camera"].get("data-layer") is None
    assert nodes["conv"].get("data-layer") == "1"
    assert "var(--layer-1)" in nodes["conv"].get("style")
    titles = {g.find("title").text for g in groups(svg, "link")}
    assert "memory feeds itself: dense, 900 weights, delay 1" in titles
    assert "imu to encoder: dense, 120 weights, delay 2-9, steps 3-10 after the input" in titles
    assert "constant to conv: dense, 576 weights" in titles
    labels = [t.text for t in svg.iter("text") if t.get("class") == "label"]
    # Where paths join their steps, wherever there are delays these.
    joins = ["step 1", "step 2", "steps 5-12", "steps 6-13", "steps 3-14", "steps 9-16"]
    assert sorted(labels) == sorted([*joins, "delay 2-9", "delay 5"])


def test_everything_lies_within_the_picture():
    for graph in (mixed(), residual(8, (2, 3), 2), graph_of(mlp(5, 4, 3))):
        _, svg = drawing(graph)
        left, top, width, height = map(float, svg.get("viewBox").split())
        assert (svg.get("width"), svg.get("height")) == (f"{width:.0f}", f"{height:.0f}")
        for group in groups(svg, "node"):
            x, y = map(float, re.findall(r"-?[\d.]+", group.get("transform")))
            box = group.find("rect[@class='box']")
            assert left <= x and x + float(box.get("width")) <= left + width
            assert top <= y and y + float(box.get("height")) <= top + height


def test_levels_lie_beside_each_other_while_they_fit():
    for number in range(2, 9):
        graph = graph_of(mlp(*[3] * number))
        assert fits_in_a_row(wiring_of(graph)) == (number <= LEVELS_IN_A_ROW)
        _, svg = drawing(graph)
        is_wide = float(svg.get("width")) > float(svg.get("height"))
        assert is_wide == (number <= LEVELS_IN_A_ROW)
        assert float(svg.get("width")) < 1280


def nearest(path, x, y):
    """Distance of a point from the last stretch of a path."""
    numbers = list(map(float, re.findall(r"-?[\d.]+", path.get("d"))))
    stretch = [numbers[i : i + 2] for i in range(len(numbers) - 8, len(numbers), 2)]
    found = []
    for t in (i / 100 for i in range(101)):
        shares = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3)
        place = [sum(s * p[k] for s, p in zip(shares, stretch, strict=True)) for k in (0, 1)]
        found.append(((place[0] - x) ** 2 + (place[1] - y) ** 2) ** 0.5)
    return min(found)


@pytest.mark.parametrize("graph", [mixed(), residual(8, (2, 3), 2), RandomGraphs(7).graph()])
def test_what_is_written_on_a_link_is_nearest_to_that_link(graph):
    _, svg = drawing(graph)
    links = list(groups(svg, "link"))
    paths = [g.find("path") for g in links if "feeds itself" not in g.find("title").text]
    texts = 0
    for group in links:
        labels = [t for t in group.iter("text") if t.get("text-anchor") == "middle"]
        if not labels:
            continue
        x = float(labels[0].get("x"))
        y = sum(float(label.get("y")) for label in labels) / len(labels) - 4
        own = group.find("path")
        assert nearest(own, x, y) < 1
        assert all(nearest(path, x, y) > 5 for path in paths if path is not own)
        texts += 1
    assert texts >= 4


def test_what_is_written_beside_parallel_links_is_on_both_sides():
    sizes = [3] * (LEVELS_IN_A_ROW + 1)
    populations = dict(graph_of(mlp(*sizes)).populations)
    twice = ("layer 0", dense(3, 3))
    populations["layer 1"] = population((3,), twice, twice)
    _, svg = drawing(IntegerGraph({"input": (3,)}, populations, (list(populations)[-1],)))
    labels = [t for t in svg.iter("text") if t.get("class") == "label"]
    (left, right) = sorted(labels, key=lambda label: float(label.get("x")))
    assert (left.text, left.get("text-anchor")) == ("step 2", "end")
    assert (right.text, right.get("text-anchor")) == ("step 2", "start")


def test_names_cannot_break_out_of_the_drawing():
    graph = IntegerGraph(
        {HOSTILE: (2,)},
        {f"{HOSTILE}/relay": population((2,), (HOSTILE, dense(2, 2)))},
        (f"{HOSTILE}/relay",),
    )
    source, svg = drawing(graph)
    assert HOSTILE not in source and "<b" not in source
    assert groups(svg, "node")[0].find("title").text == HOSTILE


def test_long_names_keep_their_ends():
    assert shorten("add3/relay") == "add3/relay"
    assert shorten("a_block_of_many_letters/relay", 15) == "a_block…s/relay"
    assert len(shorten("x" * 50, 15)) == 15


def test_a_wiring_is_ready_for_json():
    data = asdict(wiring_of(mixed()))
    assert data["nodes"][3]["shape"] == (12, 12, 4)
    assert data["links"][0]["source"] == "camera"
