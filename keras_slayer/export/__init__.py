"""Deployment to Intel Loihi and SynSense Xylo, with bit-exact simulators; networks of other tools;
files for TensorFlow, TFLite and C++.

The public names are loaded on first use, so that ``import keras_slayer`` needs neither h5py nor
the compiled simulator.
"""

import importlib

_HOME = {
    "Calibration": "report.calibration",
    "LayerRecord": "simulation.simulator",
    "LayerReport": "report.data",
    "LoihiReport": "report.report",
    "LoihiSimulator": "simulation.simulator",
    "SimulationRecord": "simulation.simulator",
    "Mapping": "mapping.mapping",
    "XyloDense": "xylo.layers",
    "XyloLIF": "xylo.neuron",
    "XyloRecurrentDense": "xylo.layers",
    "XyloReport": "xylo.report",
    "XyloSimulator": "xylo.simulator",
    "export_loihi": "loihi",
    "export_saved_model": "tensorflow_files",
    "export_tflite": "tensorflow_files",
    "export_xylo": "xylo.export",
    "fold_normalization": "conversion.folding",
    "from_net": "net_files",
    "from_nir": "formats.nir_reader",
    "include_path": "cpp",
    "read_net": "net_files",
    "to_loihi": "conversion.convert",
    "to_nir": "formats.nir_writer",
    "write_flat": "cpp",
}

__all__ = sorted(_HOME)


def __getattr__(name: str):
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
