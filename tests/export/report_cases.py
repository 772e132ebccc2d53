"""A report made by hand, every figure of which a test can tell from the others."""

from dataclasses import replace

from keras_slayer.export import LoihiReport
from keras_slayer.export.mapping.mapping import Core, LayerMapping, Mapping
from keras_slayer.export.mapping.placement import Utilisation
from keras_slayer.export.report.calibration import Calibration, LayerActivity, Raster, Variant
from keras_slayer.export.report.data import LayerReport
from keras_slayer.export.weight_grid import WeightDamage

HOSTILE = "</script><b onclick=alert(1)>\"'&amp;<!--<script>"
NAMES = ("conv", HOSTILE, "output")


def mapping():
    """150 cores, 22 of them on a second chip."""
    cores = []
    for index in range(150):
        layer = 0 if index < 100 else 1 if index < 149 else 2
        use = Utilisation(0.25, 0.5, 0.125, 0.9 if layer else 0.3)
        counts = (2048, 2000 + index, 512, 64 * (index + 1))
        where = f"neurons {2048 * index}-{2048 * index + 2047}"
        ranges = ((2048 * index, 2048 * index + 2048),)
        cores.append(Core(index, index // 128, index % 128, layer, where, ranges, *counts, use))
    layers = (
        LayerMapping("conv", 100, 204800, 5, 2099, 6, 512, 7, 800, 8, 0, 0.5, "input axons"),
        LayerMapping(HOSTILE, 49, 100300, 5, 2148, 6, 512, 7, 1192, 8, 3, 0.9, "synaptic memory"),
        LayerMapping("output", 1, 2048, 5, 2149, 6, 512, 7, 1200, 8, 0, 0.9, "layer size"),
    )
    return Mapping("Loihi 2", 128, 2, layers, tuple(cores), ("Assumed <1>.", "Assumed 2."))


def calibration():
    spikes = ((0, 0, 1, 3), (0, 2, 1, 2))
    others = ((0, 0, 2, 3), (0, 2, 1, 2))
    same = Raster("input", 5, 6, spikes, spikes, 4, 4)
    layers = tuple(
        LayerActivity(name, 1234.5 - i, 0.0125, 0.25, 98765.0 + i, 2.5e-6, 2 * i, 4000 + i)
        for i, name in enumerate(NAMES)
    )
    variants = (
        Variant("as given", 0.9712, 61.5, 0, 9000, 1.0),
        Variant("chip", 0.9625, 60.25, 17, 9000, None),
    )
    rasters = (same, *(Raster(name, 5, 6, spikes, others, 4, 9) for name in NAMES))
    return Calibration(3, 18, variants, layers, rasters, 7.5e-6, "Someone & others, 2018")


def by_hand(**changes):
    """A report of 3 layers with neurons and a Flatten, on two chips, with every section."""
    histogram = tuple((w, 300 - abs(w)) for w in range(-256, 256, 2))
    neuron = {"threshold_mantissa": 80, "current_decay": 1024, "voltage_decay": 128}
    conv = LayerReport(
        "conv", "SpikingConv2D", 204800, 7777, 11, 22, 33, 8, False, **neuron, histogram=histogram
    )
    layers = (
        conv,
        LayerReport("flat", "Flatten"),
        replace(
            conv, name=HOSTILE, type="SpikingDense", weight_bits=4, histogram=((-32, 9), (0, 1))
        ),
        replace(conv, name="output", type="SpikingDense", largest_synaptic_sum=40000),
    )
    report = LoihiReport(
        path="folder/net <x>.net",
        format="net",
        file_bytes=123456,
        chip="Loihi 2",
        input_shape=(34, 34, 2),
        output_shape=(10,),
        synaptic_sum_limit=32768,
        latency_steps=3,
        exact=False,
        converted=False,
        layers=layers,
        widths=tuple(WeightDamage(bits, 1000, 900 - bits, 500, 25) for bits in range(1, 9)),
        host_layers=("softmax<&>",),
        mapping=mapping(),
        calibration=calibration(),
        warnings=("first <warning>", "second warning"),
    )
    return replace(report, **changes)
