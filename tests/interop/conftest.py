"""Runs scripts in the virtual environments of the tools that read our files.

`make test-interop` makes the environments and names their folder in KERAS_SLAYER_INTEROP. Without
that variable these tests are not collected (tests/conftest.py); with it, an environment that is
not there is a failure.
"""

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

PEERS = Path(__file__).with_name("peers")

ENVIRONMENTS = {"lava": "peers", "nir": "peers", "nengo": "nengo", "tonic": "tonic", "xylo": "xylo"}
"""The virtual environment of each peer: a folder in KERAS_SLAYER_INTEROP, and what is in it in
requirements-<folder>.txt."""

# Read now: tests change the working directory.
FOLDER = Path(os.environ.get("KERAS_SLAYER_INTEROP", "")).absolute()

LONGEST_TAIL = 4000
"""Characters of a failed script's output that are shown."""


def environment_python(peer: str) -> Path:
    """The interpreter of the peer's virtual environment; fails the test if there is none."""
    python = FOLDER / ENVIRONMENTS[peer] / "bin" / "python"
    if not python.exists():
        pytest.fail(
            f"no environment for {peer!r}: {python} is not there. `make test-interop` makes it "
            f"from tests/interop/requirements-{ENVIRONMENTS[peer]}.txt",
            pytrace=False,
        )
    return python


def tail(text: str) -> str:
    return text[-LONGEST_TAIL:].strip() or "(nothing)"


@pytest.fixture(scope="session")
def run_peer():
    """run_peer(peer, script, *arguments, timeout=300) -> dict

    Runs ``peers/<script>`` in the environment of ``peer`` (of ``ENVIRONMENTS``) and returns
    the JSON object in the last line it prints. The test fails if the script ends with an error,
    prints something else, or is not done after ``timeout`` seconds.
    """

    def run(peer: str, script: str, *arguments: object, timeout: float = 300) -> dict:
        command = [environment_python(peer), PEERS / script, *arguments]
        # None of ours in there, and no second thread pool on top of lava's processes.
        variables = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
        process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=variables | {"OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"},
            start_new_session=True,
        )
        try:
            output, errors = process.communicate(timeout=timeout)
            ending = f"ended with status {process.returncode}"
        except subprocess.TimeoutExpired:
            # The whole group: lava forks a process per layer.
            os.killpg(process.pid, signal.SIGKILL)
            output, errors = process.communicate()
            ending = f"was not done after {timeout} s"
        else:
            try:
                result = json.loads(output.strip().rpartition("\n")[2])
            except ValueError:
                result = None
                ending += " and its last line is no JSON"
            if process.returncode == 0 and isinstance(result, dict):
                return result
        pytest.fail(
            f"{script} {ending}\n--- stdout\n{tail(output)}\n--- stderr\n{tail(errors)}",
            pytrace=False,
        )

    return run
