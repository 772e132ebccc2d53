"""How `python -m keras_slayer.events` and `... export` end: errors, Ctrl-C, a closed pipe."""

import os
import subprocess
import sys

import pytest

from keras_slayer import command_lines
from keras_slayer.command_lines import status_of
from keras_slayer.events import __main__ as of_events
from keras_slayer.export import __main__ as of_export


def raising(error):
    def work(*_):
        raise error

    return work


def test_errors_are_a_line_and_bugs_are_not(capsys):
    assert status_of(lambda: None, ValueError) == 0
    assert status_of(raising(ValueError("what is wrong")), ValueError, OSError) == 1
    assert capsys.readouterr().err == "error: what is wrong\n"
    with pytest.raises(KeyError):
        status_of(raising(KeyError("a bug")), ValueError)


def test_ctrl_c_is_no_traceback(monkeypatch, capsys):
    monkeypatch.setattr(of_events.inspect, "run", raising(KeyboardInterrupt))
    monkeypatch.setattr(of_export, "include_path", raising(KeyboardInterrupt))
    assert of_events.main(["inspect", "file"]) == 130
    assert of_export.main(["include-path"]) == 130
    assert capsys.readouterr() == ("", "")


PROGRAM = """
import runpy, sys
status_of = runpy.run_path(sys.argv[1])["status_of"]  # the module alone: TensorFlow takes seconds
sys.exit(status_of(lambda: print("line\\n" * int(sys.argv[2])), OSError))
"""


@pytest.mark.parametrize("lines", [1, 100_000])  # written as the program ends, or before
def test_a_reader_that_leaves_is_no_error(lines):
    reader, writer = os.pipe()
    os.close(reader)
    program = [sys.executable, "-c", PROGRAM, command_lines.__file__, str(lines)]
    done = subprocess.run(program, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")
