"""SynSense Xylo Audio 2: its neuron, layers that train with its weights, exporter and simulator.

Import it before a model with these layers is loaded: it registers them.
"""

from keras_slayer.export.xylo.export import export_xylo
from keras_slayer.export.xylo.layers import XyloDense, XyloRecurrentDense
from keras_slayer.export.xylo.neuron import XyloLIF
from keras_slayer.export.xylo.report import XyloReport
from keras_slayer.export.xylo.simulator import XyloSimulator

__all__ = [
    "XyloDense",
    "XyloLIF",
    "XyloRecurrentDense",
    "XyloReport",
    "XyloSimulator",
    "export_xylo",
]
