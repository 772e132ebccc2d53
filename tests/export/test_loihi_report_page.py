"""The page of a report: what it carries, that it is safe, and readable without a script."""

import base64
import hashlib
import importlib.resources
import json
import re
import shutil
import subprocess
from dataclasses import replace

import keras
import numpy as np
import pytest
from report_cases import HOSTILE, NAMES, by_hand, calibration
from report_reader import Page

import keras_slayer as ks
from keras_slayer.export import export_loihi
from keras_slayer.export.report.calibration import Raster
from keras_slayer.export.report.page import SCRIPTS, render, render_cell
from keras_slayer.export.report.page_tables import LAYER_COLOURS, energy


def test_carries_the_report_and_nothing_can_break_out_of_it():
    report = by_hand()
    source = render(report)
    page = Page(source)
    assert json.loads(page.raw["application/json"]) == json.loads(report.to_json())
    assert [tag for tag, _ in page.tags].count("script") == 2
    assert not any("onclick" in attributes for _, attributes in page.tags)
    assert HOSTILE not in source
    assert page.text.count(HOSTILE) >= 3  # as text: layers, cores of layers, activity, all cores
    assert "folder/net <x>.net" in page.text
    assert "softmax<&>" in page.text


def test_needs_no_network():
    page = Page(render(by_hand()))
    links = [
        (tag, a[k]) for tag, a in page.tags for k in ("src", "href", "data", "action") if k in a
    ]
    assert links == [("link", "data:,")]
    assert not re.search(r"url\(|@import|@font-face", page.raw["style"])
    script = page.raw["module"]
    assert not re.search(r"\b(fetch|import|XMLHttpRequest|WebSocket|eval|innerHTML)\b", script)
    assert set(re.findall(r"https?://[\w./]+", script + page.raw["style"])) == {
        "http://www.w3.org/2000/svg"  # the name of SVG elements, not an address that is opened
    }


def test_policy_allows_this_script_only():
    page = Page(render(by_hand()))
    (policy,) = (a["content"] for _, a in page.tags if "http-equiv" in a)
    digest = base64.b64encode(hashlib.sha256(page.raw["module"].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none';")


def test_tables_are_there_without_a_script():
    report = by_hand()
    page = Page(render(report))
    head = ["layer", "type", "neurons", "weights", "zero", "changed", "out of range", "bits"]
    assert page.rows[0][:8] == head
    layers = {row[0]: row for row in page.rows[1:6]}
    assert layers["1 conv"][1:7] == ["SpikingConv2D", "204,800", "7,777", "11", "22", "33"]
    assert layers["flat"][1] == "Flatten"
    assert layers[f"2 {HOSTILE}"][7] == "4"
    assert layers["3 output"][-1] == "40,000"
    assert layers["total"][2:4] == ["614,400", "23,331"]
    cores = [row for row in page.rows if len(row) == 10 and row[0].isdecimal()]
    assert [int(row[0]) for row in cores] == list(range(150))
    for row, core in zip(cores, report.mapping.cores, strict=True):
        assert row[1:3] == [str(core.chip), str(core.core_on_chip)]
        assert row[3] == f"{core.layer + 1} {NAMES[core.layer]}"
        assert row[4:7] == [core.where, "2,048", f"{core.input_axons:,}"]
        assert row[-1] == ("90% synaptic memory" if core.layer else "50% input axons")
    per_layer = next(row for row in page.rows if row[0] == "1 conv" and row[1] == "100")
    assert per_layer[2:] == ["2,048", "2,099", "512", "0.8", "8", "0", "50%", "input axons"]
    assert page.row("3 bits")[1:] == ["897 (89.7%)", "500 (50.0%)", "25 (2.5%)", ""]
    assert page.row("8 bits")[-1] == "2"
    assert page.row("as given")[1:] == ["97.12%", "100.00%", "61.5", "0 of 9,000"]
    assert page.row("chip")[1:] == ["96.25%", "", "60.2", "17 of 9,000"]
    activity = page.rows[-2]
    assert activity == [
        "3 output", "1,232.5", "0.0125", "25%", "98,767", "2.50 µJ", "4 of 4,002",
    ]  # fmt: skip
    total = ["total", "3,700.5", "", "", "296,298", "7.50 µJ", "6 of 12,003"]
    assert page.rows[-1] == total
    for text in ("Assumed <1>.", "Assumed 2.", "Someone & others, 2018.", "2 warnings"):
        assert text in page.text
    assert "first <warning>" in page.text and "second warning" in page.text


def test_limiting_resource_is_marked():
    source = render(by_hand())
    strong = re.findall(r'<span class="bar strong" style="--share: ([\d.]+%)">([\d.,]+)<', source)
    assert strong == [("50.00%", "2,099"), ("90.00%", "1.2")]


@pytest.mark.parametrize(
    "changes, sentence",
    [
        ({"exact": True}, "Exact: the weights are those of the model's forward pass"),
        ({}, "Not exact: some weights are not those of the model's forward pass"),
        ({"exact": True, "converted": True}, "Not exact: the neurons were converted"),
    ],
)
def test_says_whether_it_is_exact(changes, sentence):
    assert sentence in Page(render(by_hand(**changes))).text


def test_headline():
    page = Page(render(by_hand()))
    for fact in ("Loihi 2", "150", "614,400", "34\u00d734\u00d72", "123,456", "7.50 µJ", "96.25%"):
        assert fact in page.texts
    assert "accuracy on the chip (97.12% as given)" in page.text
    assert "of 256 cores" in page.text


def test_without_calibration_warnings_or_file():
    page = Page(render(by_hand(calibration=None, warnings=(), host_layers=(), path=None)))
    assert not {"rasters", "calibration", "warnings"} & set(page.ids)
    assert {"core-map", "histograms", "layers", "assumptions"} <= set(page.ids)
    assert "dry run: no .net file was written" in page.text
    assert "$" not in page.text


def test_numbers_that_json_lacks_are_refused():
    broken = replace(calibration(), energy=float("nan"))
    with pytest.raises(ValueError, match="JSON"):
        render(by_hand(calibration=broken))


def test_scripts_find_what_they_look_for():
    page = Page(render(by_hand()))
    wanted = re.findall(r'getElementById\("([\w-]+)"\)', page.raw["module"])
    assert set(wanted) == {
        "report", "tooltip", "pinned", "core-map", "log-counts", "histograms", "rasters",
    }  # fmt: skip
    assert set(wanted) <= set(page.ids)
    marked = {a["data-layer"] for tag, a in page.tags if tag == "tr" and "data-layer" in a}
    assert marked == {"0", "1", "2"}


def test_every_file_of_the_page_is_used():
    folder = importlib.resources.files("keras_slayer.export.report").joinpath("files")
    names = {file.name for file in folder.iterdir()}
    assert names == {*SCRIPTS, "page.html", "page.css", "calibration.html"}


BROWSER = """
const seen = [];
const add = (parent, tag, attributes = {}, text) => {
  if (attributes.d !== undefined) seen.push(attributes.d);
  if (text !== undefined) seen.push(text);
  return { dataset: {} };
};
const addPlot = () => ({}), addLayerName = () => {};
const describeUnderPointer = (svg, describe) => seen.push(describe(0.5, 0.01));
const document = { getElementById: () => ({}) };
const report = JSON.parse(require("fs").readFileSync(0));
"""


@pytest.mark.skipif(shutil.which("node") is None, reason="runs the page's script in node")
def test_rasters_say_what_they_leave_out_and_have_neuron_0_on_top():
    folder = importlib.resources.files("keras_slayer.export.report").joinpath("files")
    helpers = [
        line
        for line in folder.joinpath("dom.js").read_text().splitlines()
        if line.startswith(("const count", "const plural", "const layerNumbers"))
    ]
    program = BROWSER + "\n".join(helpers) + folder.joinpath("rasters.js").read_text()
    spikes = ((0, 3, 3), (0, 2, 4))
    rasters = [Raster("input", 5, 6, spikes, spikes, 3, 3)]
    rasters += [Raster("output", 5, 6, spikes, ((0,), (0,)), 4567, 1)]
    shown = by_hand(calibration=replace(calibration(), rasters=tuple(rasters)))
    program += "\nconsole.log(JSON.stringify(seen));"
    done = subprocess.run(
        ["node", "-e", program], input=shown.to_json(), capture_output=True, text=True, check=True
    )
    seen = json.loads(done.stdout)
    assert "input: 3 spikes" in seen and "chip: 1 spike" in seen
    assert "Keras: 3 of 4,567 spikes drawn, 2 only here" in seen
    assert "M0 0h0.01M3 2h0.01M3 4h0.01" in seen  # step and neuron, downwards
    assert "step 3, neuron 0" in seen  # near the top


def test_colours_agree():
    page = Page(render(by_hand()))
    light_and_dark = re.findall(r"--layer-(\d+): #", page.raw["style"])
    assert light_and_dark == 2 * [str(i) for i in range(LAYER_COLOURS)]
    assert f"LAYER_COLOURS = {LAYER_COLOURS};" in page.raw["module"]


@pytest.mark.parametrize(
    "joules, text",
    [(0.0, "0.00 nJ"), (9.9e-7, "990.00 nJ"), (1.5e-6, "1.50 µJ"), (2.0, "2,000.00 mJ")],
)
def test_energy_in_a_unit_that_suits_it(joules, text):
    assert energy(joules) == text


def test_cell_for_notebooks():
    report = by_hand()
    cell = report._repr_html_()
    assert cell == render_cell(report)
    page = Page(cell)
    assert not {"script", "style", "html"} & {tag for tag, _ in page.tags}
    assert HOSTILE not in cell
    assert page.text.count(HOSTILE) == 2
    assert len(page.rows) == 6 + 5
    for text in ("Not exact", "first <warning>", "150 of 256 cores", "net <x>.net"):
        assert text in page.text


def test_real_report(tmp_path):
    model = keras.Sequential(
        [
            keras.Input((20, 6, 6, 1)),
            ks.SpikingConv2D(4, 3, neuron=ks.LoihiCUBA(), name="conv"),
            ks.Flatten(name="flat"),
            ks.SpikingDense(5, neuron=ks.LoihiCUBA(weight_bits=4), name="<b>"),
        ]
    )
    spikes = (np.random.default_rng(0).random((2, 20, 6, 6, 1)) < 0.3).astype(np.float32)
    report = export_loihi(model, tmp_path / "a.net", calibration=(spikes, np.array([0, 1])))
    report.to_html(tmp_path / "a.html")
    page = Page((tmp_path / "a.html").read_text("utf-8"))
    assert json.loads(page.raw["application/json"]) == json.loads(report.to_json())
    assert {"1 conv", "2 <b>", "total"} <= {row[0] for row in page.rows}
    assert str(tmp_path / "a.net") in page.text
    assert "rasters" in page.ids
