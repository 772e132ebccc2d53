"""Every GPU kernel compiles, fits the registers, and computes in the type that is meant."""

import collections
import re
import shutil
import subprocess
import sys

import pytest

from keras_slayer.ops import __main__ as command
from keras_slayer.ops import build
from keras_slayer.ops.gpu import check, kernels, nvrtc

# Kernels for floats that compute in double on purpose: long sums, LoihiCuba from an input on that
# floats do not hold exactly, and weights that are transformed once.
IN_DOUBLE = {
    *("fir_taps_grad", "delay_grad", "delay_sums"),
    *("neuron_LoihiCuba", "recurrent_LoihiCuba", "recurrent_conv_LoihiCuba"),
    "winograd_weights",
}

SPILLING = """
extern "C" __global__ void __launch_bounds__(1024) spilling(const float* x, float* y) {
  float kept[100];
#pragma unroll
  for (int i = 0; i < 100; ++i) kept[i] = x[i * 1024 + threadIdx.x];
  __syncthreads();
#pragma unroll
  for (int i = 0; i < 100; ++i) y[i * 1024 + threadIdx.x] = kept[i] * kept[(i + 1) % 100];
}
"""
WRONG = 'extern "C" __global__ void wrong() { nonsense(); }\n'


def run_command(monkeypatch, *arguments) -> int:
    monkeypatch.setattr(sys, "argv", ["keras_slayer.ops", "check-gpu", *arguments])
    with pytest.raises(SystemExit) as stop:
        command.main()
    return stop.value.code


def named_in_ops() -> set[str]:
    """Kernels that ops start, as {"filters", "fir"}: the source and the name."""
    text = "".join(path.read_text() for path in build.SOURCES.rglob("*_op.cc"))
    found = re.findall(r'\{"(\w+)",\s*"(\w+)"\}', text)
    return {name for source, name in found if source in kernels.sources()}


@pytest.mark.parametrize("architecture", ["sm_75", "sm_90"])
def test_every_kernel_compiles_and_none_spills(monkeypatch, capsys, architecture):
    assert run_command(monkeypatch, architecture, "--verbose") == 0
    head, titles, line, *rest = capsys.readouterr().out.splitlines()
    assert head.startswith(f"{nvrtc.load()}, ") and "most registers" in titles
    found = set(re.findall(r"^  (\w+): \d+ registers, \d+ bytes", "\n".join(rest), re.MULTILINE))
    assert len(found) == len(rest) > 60
    name, count, registers, shared, _, seconds = line.split()
    assert (name, int(count)) == (architecture, len(found))
    assert 16 < int(registers) < 256 and int(shared) >= 1024 and float(seconds) > 0
    assert len(named_in_ops()) > 5
    neurons = re.findall(r"X\((\w+),", (build.SOURCES / "neurons" / "list.h").read_text())
    of_neurons = (
        *("neuron", "neuron_grad", "neuron_params_grad"),
        *("recurrent", "recurrent_grad", "recurrent_conv", "recurrent_conv_grad"),
    )
    wanted = named_in_ops() | {f"{name}_{n}" for name in of_neurons for n in neurons}
    assert {f"{name}_{type}" for name in wanted for type in kernels.TYPES} <= found


@pytest.mark.parametrize("type", ["float", "Half"])
def test_no_double_arithmetic_but_where_it_is_meant(type):
    """In PTX. Parameters, states and taps are doubles, and are converted when they are read or
    written."""
    harmless = {
        *("ld.param.f64", "ld.global.f64", "st.global.f64"),
        *("mov.f64", "cvt.rn.f32.f64", "cvt.f64.f32", "cvt.rn.f64.u32"),
    }
    found, here = collections.defaultdict(set), kernels.Kernels(nvrtc.load())
    for source in kernels.sources():
        ptx = here.compile(kernels.Part(source, type, 90), "compute_90").code.decode()
        for entry in ptx.split(".visible .entry ")[1:]:
            name = entry[: entry.index("(")].removesuffix(f"_{type}")
            used = re.findall(
                r"^\s*(?:@!?%p\d+\s+)?([a-z]\w*\.[\w.]*f64[\w.]*)", entry, re.MULTILINE
            )
            found[name] |= set(used) - harmless
    assert len(found) >= 16
    assert {name for name, operations in found.items() if operations} == IN_DOUBLE


@pytest.mark.skipif(shutil.which("nvcc") is None, reason="nvcc is not on this machine")
@pytest.mark.parametrize("source", kernels.sources())
def test_nvcc_has_no_warning(tmp_path, source):
    """A second front end, whose warnings are errors."""
    done = subprocess.run(
        [
            *("nvcc", "-std=c++17", f"-I{build.SOURCES}", "-arch=sm_90", "--fmad=false", "-cubin"),
            *("-Werror=all-warnings", "-Xptxas=--warn-on-spills,--warning-as-error"),
            *("-DKS_GPU_TYPE=float", str(build.SOURCES / "gpu" / f"{source}.cu")),
            *("-o", str(tmp_path / "out.cubin")),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_spill_is_found(tiny_kernels, monkeypatch, capsys):
    assert run_command(monkeypatch, "sm_90") == 0
    assert "spill" not in capsys.readouterr().out
    (tiny_kernels / "gpu" / "spilling.cu").write_text(SPILLING)
    assert run_command(monkeypatch, "sm_90", "sm_75") == 1
    out = capsys.readouterr().out
    bytes_ = re.findall(
        r"^spill: sm_(\d+) spilling: (\d+) bytes of stores, (\d+) of loads$", out, re.MULTILINE
    )
    assert [int(architecture) for architecture, *_ in bytes_] == [90] * 4 + [75] * 4
    assert all(int(stores) >= 128 and int(loads) >= 128 for _, stores, loads in bytes_)
    assert re.search(r"^sm_90 +8 +64 +0 bytes +\d+\.\d$", out, re.MULTILINE)


def test_an_error_is_found(tiny_kernels, monkeypatch, capsys):
    (tiny_kernels / "gpu" / "wrong.cu").write_text(WRONG)
    assert run_command(monkeypatch, "sm_90") == 1
    out = capsys.readouterr().out
    assert out.count("does not compile gpu/wrong.cu for sm_90:\ngpu/wrong.cu(1): error: ") == 4
    assert re.search(r"^sm_90 +4 ", out, re.MULTILINE)  # the other source's


def test_default_architectures():
    class Pretended:
        architectures = (50, 62, 70, 75, 90, 100, 120, 121)

    assert check.chosen(Pretended, []) == [70, 75, 90, 100, 120]
    assert check.chosen(Pretended, ["sm_121", "sm_50"]) == [121, 50]


@pytest.mark.parametrize("bad", ["sm_8", "foo", "90", "compute_90"])
def test_a_wrong_name(monkeypatch, capsys, bad):
    assert run_command(monkeypatch, "sm_90", bad) == 2
    errors = capsys.readouterr().err
    assert "check-gpu: error: an architecture must be one that NVRTC 1" in errors
    assert "sm_75, sm_80, sm_86" in errors and errors.endswith(f"Received: '{bad}'\n")


def test_without_the_compiler(monkeypatch, capsys):
    nvrtc.load.cache_clear()
    monkeypatch.setattr(nvrtc, "candidates", list)
    assert run_command(monkeypatch) == 1
    assert capsys.readouterr().err == (
        "The GPU kernels cannot be compiled: NVRTC, which compiles GPU kernels, is not installed. "
        "'pip install nvidia-cuda-nvrtc-cu12' brings it.\n"
    )
    monkeypatch.setattr(sys, "argv", ["keras_slayer.ops"])
    command.main()
    assert "nvrtc       none, and only GPUs need it: 'pip install" in capsys.readouterr().out


LOG = """\
ptxas info    : 24 bytes gmem
ptxas info    : Compiling entry function 'first' for 'sm_90'
ptxas info    : Function properties for first
ptxas         .     0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 32 registers, used 1 barriers, 1024 bytes smem
ptxas info    : Compiling entry function 'second' for 'sm_90'
ptxas info    : Function properties for second
ptxas         .     16 bytes stack frame, 4 bytes spill stores, 8 bytes spill loads
ptxas info    : Function properties for called
ptxas         .     8 bytes stack frame, 1 bytes spill stores, 2 bytes spill loads
ptxas info    : Used 40 registers, used 0 barriers, 8 bytes cumulative stack size, 2 bytes cmem[0]
"""


def test_the_log_of_a_compilation():
    assert check.resources(LOG) == [
        check.Resources("first", registers=32, shared=1024),
        check.Resources("second", registers=40, stack=16, spill_stores=5, spill_loads=10),
    ]
