"""TensorFlow's releases on PyPI: which there are, and what of them a compiler needs."""

from __future__ import annotations

import os
import pathlib
import re
import shutil
import sys
import tempfile
import zipfile

from wheel_tools import build, numbers, run, say, supported_versions

# The oldest glibc of a wheel's tag: 2.18 to 2.20 have 2.17, 2.21 has 2.27.
_GLIBC_MINORS = range(17, 45)
# What tf.sysconfig.get_compile_flags() gives, but can only say once TensorFlow runs. A library
# records them, and a TensorFlow that has others does not load it.
DEFINES = ["-D_GLIBCXX_USE_CXX11_ABI=1", "-DEIGEN_MAX_ALIGN_BYTES=64"]
# No symbols but those that TensorFlow looks for (a sixth of the size), and none that is not found.
LINK = ["-s", "-Wl,-z,defs"]
FRAMEWORK = "libtensorflow_framework.so.2"


def _target(python: str, machine: str) -> list[str]:
    """pip's options for another Python than its own."""
    tags = ["manylinux2014", *(f"manylinux_2_{minor}" for minor in _GLIBC_MINORS)]
    platforms = [word for tag in tags for word in ("--platform", f"{tag}_{machine}")]
    return ["--python-version", python, "--only-binary", ":all:", *platforms]


def releases(python: str, machine: str) -> list[str]:
    """Supported versions of TensorFlow that have a wheel for this Python, the oldest first."""
    pip = [sys.executable, "-m", "pip", "index", "versions", *_target(python, machine)]
    found = re.search(r"Available versions: (.*)", run(*pip, "tensorflow"))
    versions = found[1].split(", ") if found else []
    oldest = numbers(supported_versions()["oldest"]["TensorFlow"])[:2]
    # A post-release calls itself by the plain version; pip lists no pre-releases.
    plain = (version for version in versions if "post" not in version)
    return sorted((v for v in plain if numbers(v)[:2] >= oldest), key=numbers)


def unpack(version: str, python: str, machine: str, cache: pathlib.Path) -> build.TensorFlowFlags:
    """Headers and library of one release, from its wheel into the cache; nothing is installed.

    The wheels of one release for several Pythons have the same headers and the same library
    interface, so any of them does.
    """
    folder = cache / f"tensorflow-{version}-{machine}"
    if not folder.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as temporary:
            partial = pathlib.Path(temporary, "unpacked")
            _extract(_download(version, python, machine, temporary), partial)
            os.replace(partial, folder)
    package = folder / "tensorflow"
    return build.TensorFlowFlags(
        version,
        [f"-I{package / 'include'}", *DEFINES],
        [f"-L{package}", f"-l:{FRAMEWORK}", *LINK],
    )


def _download(version: str, python: str, machine: str, folder: str) -> pathlib.Path:
    say(f"TensorFlow {version} for {machine}: downloading the wheel (up to 600 MB)")
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-cache-dir", "--no-deps"]
    run(*pip, *_target(python, machine), "--dest", folder, f"tensorflow=={version}")
    (wheel,) = pathlib.Path(folder).glob(f"tensorflow-{version}-*_{machine}.whl")
    return wheel


def _extract(wheel: pathlib.Path, folder: pathlib.Path) -> None:
    wanted = ("tensorflow/include/", f"tensorflow/{FRAMEWORK}")
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if name.startswith(wanted):
                archive.extract(name, folder)
    wheel.unlink()
    if not (folder / "tensorflow" / FRAMEWORK).exists():
        shutil.rmtree(folder)
        raise SystemExit(f"{wheel.name} has no {FRAMEWORK}: this release cannot be built for yet")
