"""A neuron is one header: the same for the CPU and for CUDA's compilers, on scalar.h alone.

The tests compile every neuron's step, firing test and gradients.
"""

import re
import shutil
import subprocess

import pytest

from keras_slayer import loihi
from keras_slayer.neurons import BY_NAME
from keras_slayer.ops import build
from keras_slayer.ops.gpu import check, kernels, nvrtc

LIST = (build.SOURCES / "neurons" / "list.h").read_text()
NEURONS = dict(re.findall(r'X\((\w+), "(\w+)"\)', LIST))
HEADERS = re.findall(r'#include "(neurons/\w+\.h)"', LIST)
# What a header of a neuron may be made of: itself, types, the filters' steps, another neuron.
ALLOWED = {"base/scalar.h", "filters/steps.h", *HEADERS}

# One neuron forwards and backwards in each arithmetic type, so that everything is instantiated.
STEPS = """
#include "neurons/list.h"
#include "neurons/surrogates.h"

using namespace keras_slayer;

template <class Neuron, class A>
DEVICE void run(const typename Neuron::template Parameters<A>& p, A* x, long long steps) {
  typename Neuron::template State<A> state = {};
  for (long long t = 0; t < steps; ++t) {
    A spike;
    x[t] = Neuron::step(p, state, x[t], &spike) + spike;
  }
  typename Neuron::template DriveState<A> drive = {};
  typename Neuron::template FilterState<A> filter = {};
  const ExponentialSurrogate<A> rho = {p.threshold, A(-1.4), A(1)};
  for (long long t = steps - 1; t >= 0; --t) {
    const A lambda = Neuron::exodus(p, drive, x[t], x[t], rho(x[t]));
    x[t] = Neuron::template filter<true>(p, filter, lambda);
    x[t] += Neuron::template filter<false>(p, filter, Neuron::fires(p, x[t]) ? A(1) : A(0));
  }
}
"""
KERNEL = (
    'extern "C" GLOBAL void {neuron}_{type}({neuron}::Parameters<{type}> p, {type}* x, '
    "long long steps) {{ run<{neuron}>(p, x, steps); }}"
)
KERNELS = "\n".join(KERNEL.format(neuron=n, type=t) for n in NEURONS for t in ("float", "double"))


def compile_with(command, source):
    return subprocess.run(command, input=source, capture_output=True, text=True, check=False)


def test_the_list_names_the_neurons_of_python():
    assert sorted(NEURONS.values()) == sorted(neuron.native for neuron in BY_NAME.values())
    assert len(HEADERS) == len(NEURONS) == len(BY_NAME)


@pytest.mark.parametrize("header", HEADERS)
def test_a_header_compiles_alone_and_needs_no_more_than_scalars(header):
    """Without TensorFlow, without cpu.h, and without what another header happens to include."""
    source = f'#include "{header}"\n'
    command = [build.compiler(), "-std=c++17", f"-I{build.SOURCES}", "-x", "c++", "-"]
    checked = compile_with([*command, "-fsyntax-only", "-Wall", "-Wextra", "-Werror"], source)
    assert checked.returncode == 0, checked.stderr
    needs = compile_with([*command, "-MM"], source).stdout
    used = set(re.findall(rf"{re.escape(str(build.SOURCES))}/(\S+)", needs))
    assert header in used and used <= ALLOWED


def test_the_header_of_loihi_has_the_numbers_of_python():
    header = (build.SOURCES / "neurons" / "loihi_cuba.h").read_text()
    assert f'"threshold_mantissa", {loihi.MAX_THRESHOLD}) / {loihi.WEIGHT_SCALE}.0' in header
    for name in ("current_decay", "voltage_decay"):
        assert f'"{name}", {loihi.DECAY_UNIT}) / {loihi.DECAY_UNIT}.0' in header
    assert f'"bias", {loihi.MIN_BIAS}, {loihi.MAX_BIAS})' in header
    assert f"? -0.0 : bias * {1 << loihi.STATE_SHIFT}" in header
    wraps = {float.fromhex(text) for text in re.findall(r"N\((0x1p2\d)\)", header)}
    assert wraps == {loihi.STATE_RANGE, 2 * loihi.STATE_RANGE}


def test_the_steps_compile_as_plain_cpp():
    source = "#define DEVICE\n#define GLOBAL\n" + STEPS + KERNELS
    flags = [*build.KERNEL_FLAGS, "-Wall", "-Wextra", "-Wno-unused-parameter", "-Werror"]
    command = [build.compiler(), "-std=c++17", f"-I{build.SOURCES}", *flags]
    done = compile_with([*command, "-x", "c++", "-c", "-", "-o", "/dev/null"], source)
    assert done.returncode == 0, done.stderr


CUDA = "#define DEVICE __device__\n#define GLOBAL __global__\n" + STEPS + KERNELS


@pytest.mark.parametrize("architecture", [75, 90])
def test_the_steps_compile_with_nvrtc(architecture):
    """The compiler that GPUs use: every kernel is there, and none spills registers."""
    cubin, log = nvrtc.load().compile(
        CUDA, "steps.cu", f"sm_{architecture}", kernels.headers(), kernels.OPTIONS
    )
    assert cubin.startswith(b"\x7fELF")
    found = {used.kernel: used.spills for used in check.resources(log)}
    assert found == {f"{neuron}_{t}": False for neuron in NEURONS for t in ("float", "double")}


@pytest.mark.skipif(shutil.which("nvcc") is None, reason="nvcc is not on this machine")
def test_the_steps_compile_with_nvcc(tmp_path):
    """A second front end, whose warnings are errors."""
    source = tmp_path / "steps.cu"
    source.write_text(CUDA)
    done = subprocess.run(
        [
            *("nvcc", "-std=c++17", f"-I{build.SOURCES}", "-arch=sm_90", "--fmad=false", "-cubin"),
            *("-Werror=all-warnings", "-Xptxas=--warn-on-spills,--warning-as-error"),
            *(str(source), "-o", str(tmp_path / "steps.cubin")),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
