"""The table of supported versions, and what is said on a system that is not supported."""

import importlib
import re
import runpy
import subprocess
import sys
import types

import pytest
import wheel_tools

from keras_slayer import supported


def test_the_table_is_what_the_project_declares():
    versions, project = wheel_tools.supported_versions(), wheel_tools.project()
    packages = {"Python", "TensorFlow", "Keras", "NumPy"}
    assert set(versions) == {"oldest", "newest"}
    assert set(versions["oldest"]) == set(versions["newest"]) == packages
    declared = dict(requirement.split(">=") for requirement in project["dependencies"])
    declared["python"] = project["requires-python"].removeprefix(">=")
    for name, oldest in versions["oldest"].items():
        # 2.18 is declared, and 2.18.1 is its last.
        assert f"{oldest}.".startswith(f"{declared[name.lower()]}."), name
        assert wheel_tools.numbers(oldest) < wheel_tools.numbers(versions["newest"][name])
    pythons = wheel_tools.pythons()
    assert (pythons[0], pythons[-1]) == (versions["oldest"]["Python"], versions["newest"]["Python"])
    minors = [wheel_tools.numbers(version)[1] for version in pythons]
    assert minors == list(range(minors[0], minors[-1] + 1))


SYSTEMS = [("darwin", "not macOS: use a Linux"), ("win32", "not Windows: use WSL 2"),
           ("freebsd14", "not this system: use Linux")]  # fmt: skip


@pytest.mark.parametrize(("platform", "says"), SYSTEMS)
def test_other_systems_are_refused_at_install(monkeypatch, platform, says):
    """Before pybind11 or setuptools is imported: here the first is not even installed."""
    assert supported.refusal() == ""
    monkeypatch.chdir(wheel_tools.ROOT)
    monkeypatch.setattr(sys, "platform", platform)
    with pytest.raises(SystemExit) as stop:
        runpy.run_path("setup.py")
    assert says in stop.value.code and "docs/install.md" in stop.value.code
    assert stop.value.code.endswith(f"Received: sys.platform={platform!r}")


def test_other_systems_are_refused_at_import():
    """First of all, before Keras or TensorFlow."""
    program = "import sys; sys.platform = 'darwin'; import keras_slayer"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=wheel_tools.ROOT, capture_output=True, text=True
    )
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert re.match("ImportError: keras_slayer supports Linux alone, not macOS", last)
    assert "keras/" not in done.stderr and "tensorflow/" not in done.stderr


def test_pythons_of_this_machine(monkeypatch, tmp_path):
    """On the PATH or pyenv's; a command that does not work is passed over."""
    good, bad = "#!/bin/sh\nexit 0\n", "#!/bin/sh\nexit 127\n"
    files = {
        "path/python3.11": good,
        "path/python3.12": bad,
        "path/python3.13": bad,
        "versions/3.12.1/bin/python3.12": good,
        "versions/3.13.0/bin/python3.13": bad,
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    assert wheel_tools.interpreters() == {
        "3.11": str(tmp_path / "path" / "python3.11"),
        "3.12": str(tmp_path / "versions/3.12.1/bin/python3.12"),
    }


def test_data_sets_where_tfds_does_not_load(monkeypatch):
    """As with TensorFlow 2.18 and the newest tensorflow-metadata: tfds is an empty module."""
    datasets = importlib.import_module("keras_slayer.datasets")
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", types.ModuleType("tensorflow_datasets"))
    with pytest.raises(ImportError, match=r"pip install 'tensorflow-metadata<1\.21'"):
        importlib.reload(datasets)
