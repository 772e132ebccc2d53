"""Shared fixtures: deterministic seeds and the real N-MNIST sample, where it is present."""

import os
import pathlib
import runpy
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import hypothesis
import keras
import pytest

# They need environments of their own, which `make test-interop` makes.
collect_ignore = [] if "KERAS_SLAYER_INTEROP" in os.environ else ["interop"]

# The same examples in every run, and no limit of time, which a busy machine would not keep.
hypothesis.settings.register_profile(
    "keras_slayer", deadline=None, derandomize=True, print_blob=True
)
hypothesis.settings.load_profile("keras_slayer")

SAMPLE_DATA = pathlib.Path(__file__).resolve().parents[2] / "shared" / "data" / "nmnist"


@pytest.fixture(autouse=True)
def fixed_seed():
    """Each test starts from the same random state, whatever ran before it."""
    keras.utils.set_random_seed(1234)


@pytest.fixture(scope="session")
def generated_data(tmp_path_factory) -> str:
    """tfds' folder for data sets that are generated: each is prepared once, not in each test."""
    return os.environ.get("TFDS_DATA_DIR") or str(tmp_path_factory.mktemp("tfds"))


@pytest.fixture
def set_data_dir(monkeypatch):
    """Sets tfds' folder of prepared data, for this process and for those that it starts."""

    def to(folder: str | os.PathLike) -> None:
        monkeypatch.setenv("TFDS_DATA_DIR", str(folder))
        if "tensorflow_datasets" in sys.modules:  # which has read the variable when imported
            constants = sys.modules["tensorflow_datasets"].core.constants
            monkeypatch.setattr(constants, "DATA_DIR", str(folder))

    return to


@pytest.fixture
def finds_generated_data(generated_data, set_data_dir):
    """For tests that load such sets, and for what they run."""
    set_data_dir(generated_data)


@pytest.fixture
def refusal(tmp_path, monkeypatch, capsys):
    """What a script of examples/ says to wrong arguments, before it trains: in this process."""

    def of(script: pathlib.Path, *arguments: str) -> str:
        monkeypatch.chdir(tmp_path)
        monkeypatch.syspath_prepend(script.parent)  # as Python does for a script
        monkeypatch.setattr(sys, "argv", [str(script), *arguments])
        with pytest.raises(SystemExit) as error:
            runpy.run_path(str(script), run_name="__main__")
        code = error.value.code  # a status, or a text that Python would print
        assert code, "it must not end as if all were well"
        printed = capsys.readouterr()
        assert "epoch 1" not in printed.out
        return printed.err + (code if isinstance(code, str) else "")

    return of


@pytest.fixture
def sample_data() -> pathlib.Path:
    """Folder with Train.zip and Test.zip of 900 real N-MNIST recordings."""
    if not SAMPLE_DATA.is_dir():
        pytest.skip("the N-MNIST sample (../shared/data/nmnist) is not on this machine")
    return SAMPLE_DATA
