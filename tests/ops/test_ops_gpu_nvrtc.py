"""NVIDIA's compiler as a library: where it is found, what it is told, what it says."""

import ctypes
import re

import pytest

from keras_slayer.ops import build
from keras_slayer.ops.gpu import kernels, nvrtc


def touch(path):
    path.parent.mkdir(parents=True)
    path.touch()
    return str(path)


def test_tensorflows_own_comes_first(monkeypatch, tmp_path):
    monkeypatch.delenv("CUDA_HOME", raising=False)
    monkeypatch.delenv("CUDA_PATH", raising=False)
    monkeypatch.setattr(nvrtc, "_package_folders", lambda package: [str(tmp_path / package)])
    names = ["libnvrtc.so.12", "libnvrtc.so.13"]  # left to the loader
    assert nvrtc.candidates() == names
    path = touch(tmp_path / "path" / "lib64" / "libnvrtc.so.12")
    monkeypatch.setenv("CUDA_PATH", str(tmp_path / "path"))
    assert nvrtc.candidates() == [path, *names]
    home = touch(tmp_path / "home" / "lib64" / "libnvrtc.so.13")
    monkeypatch.setenv("CUDA_HOME", str(tmp_path / "home"))
    assert nvrtc.candidates() == [home, path, *names]
    newer = touch(tmp_path / "nvidia.cu13" / "lib" / "libnvrtc.so.13")
    own = touch(tmp_path / "nvidia.cuda_nvrtc" / "lib" / "libnvrtc.so.12")
    assert nvrtc.candidates() == [own, newer, home, path, *names]


@pytest.mark.parametrize("package", ["absent_altogether.cuda_nvrtc", "keras_slayer.absent"])
def test_a_package_that_is_not_installed(package):
    assert nvrtc._package_folders(package) == []


def test_the_first_that_opens_is_used(monkeypatch, tmp_path):
    good = nvrtc.load().path
    broken = touch(tmp_path / "broken" / "libnvrtc.so.12")
    nvrtc.load.cache_clear()
    monkeypatch.setattr(nvrtc, "candidates", lambda: [broken, good])
    assert nvrtc.load().path == good
    nvrtc.load.cache_clear()
    monkeypatch.setattr(nvrtc, "candidates", lambda: [broken])
    with pytest.raises(build.BuildError, match="is not installed") as error:
        nvrtc.load()
    assert "pip install nvidia-cuda-nvrtc-cu12" in error.value.remedy


def test_version_and_architectures():
    compiler = nvrtc.load()
    assert compiler.version >= (12, 0) and str(compiler) == "NVRTC {}.{}".format(*compiler.version)
    assert {75, 80, 86, 89, 90} <= set(compiler.architectures)


ARITHMETIC = """
extern "C" __global__ void arithmetic(float* x) {
  x[0] = x[1] * x[2] + x[3];
  x[4] = x[5] / x[6];
  x[7] = sqrtf(x[8]);
}
"""


def test_arithmetic_is_that_of_the_cpu():
    """No contraction, no approximation, and subnormal numbers are not zero."""
    ptx, _ = nvrtc.load().compile(ARITHMETIC, "x.cu", "compute_90", {}, kernels.OPTIONS)
    operations = re.findall(r"^\s*(\w+(?:\.\w+)*\.f32)\s+%", ptx.decode(), flags=re.MULTILINE)
    computed = [name for name in operations if not name.startswith("ld.")]
    assert computed == ["mul.rn.f32", "add.rn.f32", "div.rn.f32", "sqrt.rn.f32"]


def test_it_says_what_is_wrong():
    with pytest.raises(
        build.BuildError,
        match=r"NVRTC 1\d\.\d+ does not compile a\.cu for sm_90:\na\.cu\(1\): error: identifier "
        r".*nonsense.* is undefined",
    ):
        nvrtc.load().compile("__global__ void f() { nonsense(); }", "a.cu", "sm_90", {}, [])


def test_an_option_that_it_does_not_know():
    with pytest.raises(build.BuildError, match="--nonsense"):
        nvrtc.load().compile("", "a.cu", "sm_90", {}, ["--nonsense"])


def test_the_part_beside_it_is_opened_for_all(monkeypatch):
    """NVRTC 13 asks the loader for it by name, which finds it only if it is open."""
    good, opened, open_ = nvrtc.load().path, [], ctypes.CDLL

    def noted(path, mode=ctypes.DEFAULT_MODE):
        opened.append((path, mode))
        return open_(path, mode)

    monkeypatch.setattr(nvrtc.ctypes, "CDLL", noted)
    version = "{}.{}".format(*nvrtc.Nvrtc(good).version)
    part = good[: good.rindex("/")] + f"/libnvrtc-builtins.so.{version}"
    assert opened == [(good, ctypes.DEFAULT_MODE), (part, ctypes.RTLD_GLOBAL)]
