"""`python -m keras_slayer.distribute run`: addresses, output, failures, signals."""

import io
import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from keras_slayer.distribute import launch
from keras_slayer.distribute.__main__ import main

TELL = """
import json, os, socket, sys
config = json.loads(os.environ["TF_CONFIG"])
workers, index = config["cluster"]["worker"], config["task"]["index"]
server = socket.socket()
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as TensorFlow's server does
host, port = workers[index].split(":")
server.bind((host, int(port)))
server.listen()
print(json.dumps([index, config["task"]["type"], workers, sys.argv[1:]]))
print("to stderr", file=sys.stderr)
"""


def run(program, workers, *arguments):
    output = io.StringIO()
    status = launch.run([sys.executable, "-c", program, *arguments], workers, output)
    return status, output.getvalue().splitlines()


def test_each_worker_knows_all_and_itself():
    status, lines = run(TELL, 3, "--rate", "2")
    assert status == 0 and len(lines) == 6
    told = [
        json.loads(line.split("] ", 1)[1]) for line in sorted(lines) if not line.endswith("stderr")
    ]
    assert [index for index, *_ in told] == [0, 1, 2]
    assert {kind for _, kind, *_ in told} == {"worker"}
    addresses = told[0][2]
    assert len(set(addresses)) == 3 and all(one[2] == addresses for one in told)
    assert told[0][3] == ["--rate", "2"]
    assert [f"[worker {i}] to stderr" in lines for i in range(3)] == [True] * 3


def test_nobody_else_is_given_a_reserved_port():
    with launch._reserve() as reserved, socket.socket() as other:
        port = reserved.getsockname()[1]
        with pytest.raises(OSError, match="in use"):
            other.bind(("127.0.0.1", port))


SLEEP = "import os, time; print(os.getpid(), flush=True); time.sleep(100)"


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize(
    ("end", "status"), [("sys.exit(7)", 7), ("os.kill(os.getpid(), 9)", 137), ("1 / 0", 1)]
)
def test_a_worker_that_fails_ends_all_with_its_status(end, status):
    program = f"""
import json, os, sys, time
print(os.getpid(), flush=True)
if json.loads(os.environ["TF_CONFIG"])["task"]["index"] == 1:
    time.sleep(0.5)
    {end}
time.sleep(100)
"""
    start = time.monotonic()
    found, lines = run(program, 3)
    assert found == status and time.monotonic() - start < 60
    pids = [int(line.split()[-1]) for line in lines if line.split()[-1].isdigit()]
    assert len(pids) == 3 and not any(map(alive, pids))


def test_a_worker_that_does_not_end_is_killed(monkeypatch):
    monkeypatch.setattr(launch, "_GRACE_SECONDS", 0.2)
    program = """
import json, os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print(os.getpid(), flush=True)
if json.loads(os.environ["TF_CONFIG"])["task"]["index"] == 0:
    time.sleep(1.0)
    sys.exit(3)
time.sleep(100)
"""
    status, lines = run(program, 2)
    assert status == 3
    assert not any(alive(int(line.split()[-1])) for line in lines)


@pytest.fixture
def started():
    """The launcher in a process of its own, which is killed at the end."""
    program = f"""
import importlib.util, sys
spec = importlib.util.spec_from_file_location("launch", {launch.__file__!r})
launch = importlib.util.module_from_spec(spec)  # the module alone: TensorFlow takes seconds
spec.loader.exec_module(launch)
sys.exit(launch.run([sys.executable, "-c", {SLEEP!r}], 2))
"""
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    yield process
    process.kill()
    process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_ctrl_c_or_a_closed_terminal_ends_all(started, number):
    pids = [int(started.stdout.readline().split()[-1]) for _ in range(2)]
    assert all(map(alive, pids))
    started.send_signal(number)
    assert started.wait(60) == 128 + number
    assert not any(map(alive, pids))


def test_a_reader_of_the_output_that_leaves_ends_all():
    class Left(io.StringIO):
        def write(self, text):
            super().write(text)
            if len(self.getvalue().splitlines()) > 1:
                raise BrokenPipeError

    output = Left()
    assert launch.run([sys.executable, "-c", SLEEP], 2, output) == 128 + signal.SIGPIPE
    assert not any(alive(int(line.split()[-1])) for line in output.getvalue().splitlines())


def test_the_command_line(tmp_path, capsys):
    script = tmp_path / "script.py"
    script.write_text("import sys\nprint(sys.argv[1:])\nsys.exit(4)")
    assert main(["run", "--workers", "1", str(script), "--epochs", "3"]) == 4
    assert capsys.readouterr().out == "[worker 0] ['--epochs', '3']\n"
    for arguments, message in [
        (["run", "--workers", "0", str(script)], "at least 1. Received: --workers 0"),
        (["run", str(tmp_path / "none.py")], "no such file. Received: "),
    ]:
        with pytest.raises(SystemExit):
            main(arguments)
        assert message in capsys.readouterr().err
