"""Where TensorFlow has a GPU (pretended here), the library gets its kernels, or a warning comes."""

import json
import re

import keras
import layer_ops
import numpy as np
import processes
import pytest
import tensorflow as tf

import keras_slayer as ks
from keras_slayer.neurons import BY_NAME
from keras_slayer.ops import __main__ as command
from keras_slayer.ops import build, library, record
from keras_slayer.ops.gpu import enable, kernels, nvrtc

H100 = {"device_name": "NVIDIA H100", "compute_capability": (9, 0)}
A10 = {"device_name": "NVIDIA A10", "compute_capability": (8, 6)}
FUTURE = {"device_name": "NVIDIA X1", "compute_capability": (47, 1)}
MI300 = {"device_name": "AMD MI300"}


@pytest.fixture
def gpus(monkeypatch):
    """Call it with the details of GPUs that TensorFlow shall see, and a CUDA 12 driver beside."""

    def pretend(*details):
        names = [f"/physical_device:GPU:{i}" for i in range(len(details))]
        devices = [tf.config.PhysicalDevice(name, "GPU") for name in names]
        monkeypatch.setattr(tf.config, "get_visible_devices", {"GPU": devices}.get)
        monkeypatch.setattr(
            tf.config.experimental,
            "get_device_details",
            dict(zip(devices, details, strict=True)).get,
        )
        monkeypatch.setattr(enable, "driver_version", lambda: 12)

    return pretend


@pytest.fixture
def calls(fresh, tiny_kernels, monkeypatch, tmp_path):
    """Reads the folders that the library, compiled of tiny sources, was called with."""
    path = tmp_path / "calls"
    path.touch()
    monkeypatch.setenv("KS_TEST_CALLS", str(path))
    return lambda: path.read_text().splitlines()


def compiled(folder):
    return sorted(path.name for path in folder.glob("*.cubin") if record.fault(path) == "")


def test_kernels_are_compiled_and_given_to_the_library(calls, gpus):
    gpus(H100, A10, H100)
    assert library.load() == "native" and library.on_gpu()
    folder = kernels.Kernels(nvrtc.load()).folder()
    assert compiled(folder) == sorted(part.file for part in kernels.parts([86, 90]))
    assert library.native() is library.native() and library.load() == "native"
    assert calls() == [str(folder)]
    assert enable.register(library.library_path(), folder / "other") == 7
    assert calls() == [str(folder), str(folder / "other")]


def test_build_compiles_them_too(calls, gpus, monkeypatch, capsys):
    gpus(H100)
    monkeypatch.setattr(command.sys, "argv", ["keras_slayer.ops", "build"])
    command.main()
    folder = kernels.Kernels(nvrtc.load()).folder()
    assert calls()[0] == str(folder)
    out, errors = capsys.readouterr()
    assert "compiling the GPU kernels for sm_90" in errors
    assert out.splitlines()[-3:] == [
        "gpu         NVIDIA H100, sm_90",
        "nvrtc       {}.{}, {}".format(*nvrtc.load().version, nvrtc.load().path),
        f"gpu kernels 4 of 4 files for sm_90 in {folder}",
    ]


def test_without_a_gpu_nothing_is_opened(calls, monkeypatch):
    monkeypatch.setattr(nvrtc, "load", lambda: pytest.fail("NVRTC is opened"))
    monkeypatch.setattr(kernels, "sources", lambda: pytest.fail("sources are read"))
    assert library.load() == "native"
    assert calls() == []


def absent(monkeypatch):
    nvrtc.load.cache_clear()
    monkeypatch.setattr(nvrtc, "candidates", lambda: ["/absent/libnvrtc.so.12"])


def wrong_source(monkeypatch):
    with open(build.SOURCES / "gpu" / "tiny.cu", "a") as file:
        file.write("nonsense;\n")


def old_driver(monkeypatch):
    monkeypatch.setattr(enable, "driver_version", lambda: 11)


def no_folder(monkeypatch):
    (build.SOURCES / "gpu" / "file").touch()
    path = build.SOURCES / "gpu" / "file" / "folder"
    monkeypatch.setattr(kernels.Kernels, "folder", lambda self: path)


@pytest.mark.parametrize("wish", ["", "native"])
@pytest.mark.parametrize(
    ("found", "damage", "why"),
    [
        (
            [H100],
            absent,
            "(NVIDIA H100, sm_90): NVRTC, which compiles GPU kernels, is not installed. "
            "'pip install nvidia-cuda-nvrtc-cu12' brings it.",
        ),
        ([H100, A10], wrong_source, "(NVIDIA H100, sm_90; NVIDIA A10, sm_86): NVRTC 12"),
        ([H100], wrong_source, "does not compile gpu/tiny.cu for sm_90:"),
        ([H100, FUTURE], None, "does not know sm_471, only sm_"),
        ([H100, FUTURE], None, "'pip install --upgrade nvidia-cuda-nvrtc-cu12'."),
        ([MI300], None, "(AMD MI300): AMD MI300 is not a CUDA GPU."),
        ([A10], old_driver, "the driver of the GPU runs CUDA 11, and NVRTC 12"),
        ([A10], no_folder, "Set KERAS_SLAYER_CACHE to a folder that can be written."),
    ],
)
def test_one_warning_and_the_cpu(calls, gpus, monkeypatch, wish, found, damage, why):
    monkeypatch.setenv("KERAS_SLAYER_OPS", wish)
    gpus(*found)
    if damage:
        damage(monkeypatch)
    with pytest.warns(RuntimeWarning) as caught:
        assert library.load() == "native"
    (warning,) = caught
    message = re.sub(r"\s+", " ", str(warning.message))
    assert message.startswith("keras_slayer runs its ops on the CPU, not on the GPU (")
    assert why in message
    # Not again (a second warning would be an error here).
    assert library.load() == "native" and library.library_path() is not None
    assert calls() == []


def test_the_cuda_version_of_the_driver(monkeypatch):
    class Driver:
        def __init__(self, name):
            assert name == "libcuda.so.1"

        def cuDriverGetVersion(self, version):  # noqa: N802
            version._obj.value = 12080
            return 0

    class NoGpu(Driver):
        def cuDriverGetVersion(self, version):  # noqa: N802
            return 100

    def none(name):
        raise OSError(name)

    for library_, version in ((Driver, 12), (NoGpu, None), (none, None)):
        monkeypatch.setattr(enable.ctypes, "CDLL", library_)
        assert enable.driver_version() == version


LATE = """
import json, re
import numpy as np
import tensorflow as tf
import keras_slayer as ks
from keras_slayer.ops import build
from keras_slayer.ops.gpu import enable
from tensorflow.python.framework import kernels

assert ks.ops.load() == "native"
tf.config.set_soft_device_placement(True)
tf.config.set_visible_devices([], "GPU")  # an error once TensorFlow has started its devices
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)
x = np.random.default_rng(0).random((2, 30, 5), np.float32)
before = ks.ops.srm(x)[0].numpy()
counts = [enable.register(ks.ops.library_path(), folder) for folder in ("/absent", "/other")]
assert before.any() and np.array_equal(before, ks.ops.srm(x)[0])
graph = tf.function(lambda x: ks.ops.alpha_filter(x, 5.0))
assert np.array_equal(ks.ops.alpha_filter(x, 5.0), graph(x))
ops = (build.SOURCES.rglob("*_op.cc"))
names = {name for path in ops for name in re.findall('^REGISTER_OP."(.*)"', path.read_text(), re.M)}
devices = {
    name: sorted(k.device_type for k in kernels.get_registered_kernels_for_op(name).kernel)
    for name in names
}
host = {
    name: sorted(
        argument
        for k in kernels.get_registered_kernels_for_op(name).kernel
        for argument in k.host_memory_arg
    )
    for name in names
}
print(json.dumps({"counts": counts, "devices": devices, "host": host}))
"""


# Of the input pipeline, and over lists of events, which the GPU does without (ops/selection.py).
ON_THE_CPU_ALONE = {
    *("BinEvents", "EventBins", "ScatterBins", "TimeSurface"),
    *("UnpackEvents", "EventsOnSensor", "EventSpans", "TurnEvents"),
    *("DropEvents", "JitterEvents", "DenoiseEvents", "RefractoryEvents"),
    *("MatmulLayer", "Conv2DLayer", "Conv2DLayerGrad", "Conv2DLayerPooledGrad"),
    *("EventConv2D", "EventConv2DWeightsGrad"),
}


@pytest.fixture(scope="module")
def registered():
    """What the real library registers. Loading it does not start TensorFlow's devices."""
    return json.loads(processes.output_of(processes.start("-c", LATE)).splitlines()[-1])


def test_the_library_registers_every_op_once_and_the_cpu_goes_on(registered):
    sources = "".join(path.read_text() for path in build.SOURCES.rglob("*_op.cc"))
    count = len(re.findall(r"^KS_REGISTER_(?:DEVICES|GPU)\(", sources, flags=re.MULTILINE))
    assert count > 5 and registered["counts"] == [count, count]


def test_kernels_of_each_op(registered):
    """Every op has kernels for both devices, but for those named above."""
    devices = {k.removeprefix("KerasSlayer>"): v for k, v in registered["devices"].items()}
    assert len(devices) > 25
    alone = {name for name, found in devices.items() if "GPU" not in found}
    assert alone == ON_THE_CPU_ALONE
    assert all("CPU" in found for found in devices.values())


def test_parameters_and_sizes_are_in_host_memory(registered):
    """What an op reads before it starts a kernel."""
    on_host = {"params", "input_size", "output_size", "weights_shape"}
    sources = "\n".join(path.read_text() for path in build.SOURCES.rglob("*_op.cc"))
    checked = 0
    for op in re.split(r"^REGISTER_OP\(", sources, flags=re.MULTILINE)[1:]:
        name = re.match(r'"(.*?)"', op)[1]
        inputs = set(re.findall(r'\.Input\("(\w+): ', op[: op.index(";")]))
        if "GPU" in registered["devices"][name]:
            assert on_host & inputs <= set(registered["host"][name]), name
            checked += bool(on_host & inputs)
    assert checked > 8


def test_every_op_of_a_training_step_has_a_gpu_kernel(registered, monkeypatch):
    """With what is chosen on a GPU, for each kind of layer and each neuron."""
    monkeypatch.setattr(library, "on_gpu", lambda: True)
    has = {
        re.sub("[^a-z0-9]", "", name.removeprefix("KerasSlayer>").lower())
        for name, found in registered["devices"].items()
        if "GPU" in found
    }
    with layer_ops.ops_used() as used:
        for neuron in (ks.SRM(kernel_cutoff=1e-2), *(kind() for kind in BY_NAME.values())):
            train(neuron)
    assert len(used) > 12
    assert {name for name in used if name.replace("_", "") not in has} == set()


def train(neuron):
    """One step of a network with every kind of layer that has ops."""
    options = {"neuron": neuron}
    model = keras.Sequential(
        [
            keras.Input((12, 8, 8, 2)),
            ks.SpikingConv2D(3, 3, **options),
            # Loops of plain TensorFlow with truncated kernels.
            *([] if neuron.kernels else [ks.SpikingRecurrentConv2D(3, 1, **options)]),
            ks.SpikingSumPooling2D(2, **options),
            ks.DelayLayer(),
            ks.TemporalFilter([1.0, 0.5], learnable=True),
            ks.TemporalFilter(neuron),
            ks.SpikingActivation(**options),
            ks.Flatten(),
            ks.SpikingDense(9, **options),
            *([] if neuron.kernels else [ks.SpikingRecurrentDense(7, **options)]),
            ks.SpikingDense(4, **options),
        ]
    )
    model.compile("adam", ks.SpikeMaxLoss())
    spikes = np.random.default_rng(0).random((2, 12, 8, 8, 2)) < 0.2
    model.train_on_batch(spikes.astype("float32"), np.array([1, 2]))
