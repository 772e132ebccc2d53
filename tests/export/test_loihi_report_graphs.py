"""The page of a report of networks that are no chains."""

import json
from dataclasses import replace

from mapping_cases import mlp, place
from report_cases import by_hand, calibration
from report_reader import Page
from wiring_cases import mixed

from keras_slayer.export.graph import graph_of
from keras_slayer.export.report.page import render
from keras_slayer.export.report.wiring import wiring_of


def graph_report(graph):
    """A report of an exported graph, but for its weights, which are those of report_cases."""
    layers = [replace(by_hand().layers[0], name=name) for name in ("fusion", "speed")]
    activity = [
        replace(row, name=layer.name)
        for row, layer in zip(calibration().layers, layers, strict=False)
    ]
    measured = replace(calibration(), layers=tuple(activity))
    return by_hand(
        mapping=place(graph), wiring=wiring_of(graph), layers=tuple(layers), calibration=measured
    )


def test_a_graph_is_drawn_and_listed():
    report = graph_report(mixed())
    page = Page(render(report))
    assert json.loads(page.raw["application/json"]) == json.loads(report.to_json())
    assert "network" in page.ids
    (svg,) = (a for tag, a in page.tags if tag == "svg")
    assert svg["class"] == "wiring" and "11 inputs and populations" in svg["aria-label"]
    head = ["population", "role", "neurons", "cores", "reads", "reached in", ""]
    start = page.rows.index(head) + 1
    rows = {row[0]: row[1:] for row in page.rows[start : start + 11]}
    assert rows["camera"] == ["input", "288", "", "", "step 0", ""]
    assert rows["1 constant"] == ["constant", "1", "1", "", "", ""]
    assert rows["5 encoder/relay"] == ["relay", "20", "1", "encoder", "steps 4-11", ""]
    fusion = "conv (step 2), memory (steps 5-12), encoder/relay/relay (steps 6-13)"
    assert rows["7 fusion"] == ["neurons", "40", "1", fusion, "steps 2-13", ""]
    assert rows["9 speed"][-1] == "output"
    assert "relay: repeats its source a step later" in page.text
    assert "constant: neurons that spike whatever the input" in page.text


def test_shapes_of_several_inputs():
    page = Page(render(by_hand(input_shape=((12, 12, 2), (6,)), output_shape=((1000,), (2,)))))
    assert "12\u00d712\u00d72, 6" in page.texts
    assert "1,000, 2" in page.texts


def test_layers_of_a_graph_have_the_numbers_of_their_cores():
    page = Page(render(graph_report(mixed())))
    assert [row[0] for row in page.rows if row[1] == "SpikingConv2D"] == ["7 fusion", "9 speed"]
    assert [row[0] for row in page.rows if row[-1].endswith(" of 4,000")] == ["7 fusion"]
    assert [row[0] for row in page.rows if row[-1].endswith(" of 4,001")] == ["9 speed"]


def test_short_chains_are_drawn_and_long_ones_are_not():
    """Without a table: that of the layers says the same."""
    short, long = (graph_report(graph_of(mlp(*[3] * n))) for n in (4, 8))
    for report in (short, long):
        names = ("layer 0", "layer 1")
        layers = tuple(replace(by_hand().layers[0], name=name) for name in names)
        page = Page(render(replace(report, layers=layers, calibration=None)))
        assert ("network" in page.ids) == (report is short)
        assert not any(row[0] == "population" for row in page.rows)
    assert "network" not in Page(render(by_hand())).ids
