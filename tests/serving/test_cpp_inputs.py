"""What examples/cpp says of recordings, arguments and files that are not as they should be."""

import re
import struct
import subprocess
import zlib

import numpy as np
import pytest
from cpp_cases import DT, STEPS, dense_network, graph_network, run

from keras_slayer.export import write_flat
from keras_slayer.export.graph import Connection, ConvSynapses, IntegerGraph, Population
from keras_slayer.export.network import IntegerNeuron

LINE_2 = "line 2 is no event of this input: "


@pytest.fixture
def dense(tmp_path):
    """A network of 50 inputs."""
    write_flat(dense_network(), tmp_path / "network.ksn")
    return tmp_path / "network.ksn"


@pytest.fixture
def graph(tmp_path):
    """A network with a camera of 5 rows, 6 columns and one channel, and 8 inputs."""
    write_flat(graph_network(), tmp_path / "network.ksn")
    return tmp_path / "network.ksn"


def error_of(program, *arguments):
    done = run(program, *arguments)
    assert done.returncode == 1
    (message,) = re.fullmatch(r"error: (.*)\n", done.stderr).groups()
    return message


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("", "the first line must be x,y,t,p"),
        ("t,x,y,p\n1,2,3,0\n", "the first line must be x,y,t,p"),
        (
            "x,y,t,p\n1,0,3,0\n1,0,oops,0\n",
            "line 3 is no event of this input: 1,0,oops,0: it must be four whole numbers x,y,t,p",
        ),
        ("x,y,t,p\n1,0,3\n", LINE_2 + "1,0,3: it must be four whole numbers"),
        ("x,y,t,p\n1,0,3,0,9\n", LINE_2 + "1,0,3,0,9: it must be four whole numbers"),
        ("x,y,t,p\n1,0,3.5,0\n", LINE_2 + "1,0,3.5,0: it must be four whole numbers"),
        ("x,y,t,p\n1,0,99999999999999999999,0", "it must be four whole numbers"),
        ("x,y,t,p\n\n1,0,3,0\n", LINE_2 + ": it must be four whole numbers"),
        ("x,y,t,p\n1,0,3,0\0\n", LINE_2 + "1,0,3,0?: it must be four whole numbers"),
        ("x,y,t,p\n1,0,3,\xff\n", "1,0,3,??: it must be four whole numbers"),  # two bytes
        ("x,y,t,p\n1,0,-3,0\n", LINE_2 + "1,0,-3,0: t must be 0 or more"),
        ("x,y,t,p\n50,0,3,0\n", LINE_2 + "50,0,3,0: x must be 0 to 49"),
        ("x,y,t,p\n-1,0,3,0\n", LINE_2 + "-1,0,3,0: x must be 0 to 49"),
        ("x,y,t,p\n1,1,3,0\n", LINE_2 + "1,1,3,0: y must be 0 to 0"),
        ("x,y,t,p\n1,0,3,2\n", LINE_2 + "1,0,3,2: p must be 0 to 1"),
        ("x,y,t,p\n" + "9" * 200, LINE_2 + "9" * 80 + ": it must be four whole numbers"),
    ],
)
def test_damaged_events_are_errors(program, dense, lines, message, tmp_path):
    (tmp_path / "events.csv").write_text(lines)
    error = error_of(program, dense, STEPS, DT, tmp_path / "events.csv")
    assert error.startswith(f"{tmp_path / 'events.csv'}: ") and message in error


@pytest.mark.parametrize(
    ("line", "message"),
    [("6,0,1,0", "x must be 0 to 5"), ("0,5,1,0", "y must be 0 to 4"), ("0,0,1,-1", "p must be 0")],
)
def test_events_off_the_camera_are_errors(program, graph, line, message, tmp_path):
    (tmp_path / "camera.csv").write_text(f"x,y,t,p\n5,4,0,1\n{line}\n")
    (tmp_path / "touch.csv").write_text("x,y,t,p\n")
    files = (tmp_path / "camera.csv", tmp_path / "touch.csv")
    assert message in error_of(program, graph, STEPS, DT, *files)


def test_spaces_and_ends_of_lines_do_not_matter(program, dense, tmp_path):
    for name, text in {
        "plain": "x,y,t,p\n1,0,3,0\n7,0,1400,1\n",
        "other": "x,y,t,p\r\n 1, 0,\t3,0 \r\n1,0,3,1\r\n7,0,1400,1",  # an event twice
    }.items():
        (tmp_path / name).write_text(text)
    outputs = [run(program, dense, STEPS, DT, tmp_path / name) for name in ("plain", "other")]
    assert outputs[0].returncode == outputs[1].returncode == 0
    assert outputs[0].stdout == outputs[1].stdout != "output,step,neuron\n"


@pytest.mark.parametrize(
    ("steps", "dt", "message"),
    [
        *(
            (steps, 1, f"STEPS must be a whole number, 1 to 2^52. Received: {steps}")
            for steps in ("0", "-3", "5x", "1e3", "", str(2**52 + 1), "9" * 30)
        ),
        *(
            (5, dt, f"DT must be a number of milliseconds, 0.001 or more. Received: {dt}")
            for dt in ("0", "-1", "nan", "inf", "1ms", "")
        ),
    ],
)
def test_wrong_numbers(program, graph, steps, dt, message):
    assert error_of(program, graph, steps, dt, "a", "b") == message


def test_wrong_use(program, graph, tmp_path):
    assert "usage" in run(program).stderr
    assert "none.ksn: cannot be opened: No such" in error_of(program, "none.ksn", 5, 1, "e.csv")
    takes = "the network takes 2 files of events. Received: "
    assert error_of(program, graph, 5, 1, "a") == f"{takes}1"
    assert error_of(program, graph, 5, 1, "a", "b", "c") == f"{takes}3"
    folder = f"{tmp_path}: cannot be read: Is a directory"
    assert error_of(program, tmp_path, 5, 1, "a", "b") == folder
    assert error_of(program, graph, 5, 1, tmp_path, "b") == folder


def test_a_full_disk_is_an_error(program, dense, tmp_path):
    (tmp_path / "events.csv").write_text("x,y,t,p\n")
    command = [program, dense, "5", "1", tmp_path / "events.csv"]
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (1, "error: the spikes cannot be written\n")


def flat_file(body):
    head = struct.pack("<8sIQ", b"\x89KSN\r\n\x1a\n", 1, 20 + len(body) + 4)
    return head + body + struct.pack("<I", zlib.crc32(head + body))


def test_numbers_of_the_other_byte_order_are_an_error(program, dense, tmp_path):
    whole = dense.read_bytes()
    swapped = whole[:8] + np.frombuffer(whole[8:20], "<u4").byteswap().tobytes() + whole[20:]
    (tmp_path / "swapped.ksn").write_bytes(swapped)
    error = error_of(program, tmp_path / "swapped.ksn", 5, 1, "a")
    assert error.endswith("swapped.ksn: byte 12: version must be 1, found 16777216")


def windows(count, size):
    """Two inputs as wide as a window; `count` convolutions that each keep `size` x 256 taps."""
    weight = np.ones((1, 256, 1, 1), np.int16)
    synapses = ConvSynapses(weight, padding=(0, 128))
    one = Population((1, size, 1), IntegerNeuron(0, 0, 1), (Connection("in", synapses),))
    populations = {f"p{number}": one for number in range(count)}
    return IntegerGraph({"in": (1, size - 1, 1)}, populations, ("p0",))


def test_windows_that_take_much_memory_are_errors(program, tmp_path):
    """A file of some kilobytes could ask for gigabytes."""
    write_flat(windows(1, 3_000), tmp_path / "one.ksn")
    (tmp_path / "events.csv").write_text("x,y,t,p\n")
    assert run(program, tmp_path / "one.ksn", 1, 1, tmp_path / "events.csv").stderr == ""
    message = "taps of windows at all places of rows and columns must be 0 to 16777216. Received: "
    with pytest.raises(ValueError, match=message + str(2 * (33_000 * 256 + 1))):
        write_flat(windows(2, 33_000), tmp_path / "two.ksn")
    body = struct.pack("<2I3I", 1, 0, 3, 1, 32_999) + struct.pack("<I", 1)  # the input
    conv = struct.pack("<10I", 1, 256, 1, 1, 1, 1, 0, 128, 1, 1) + b"\1\0" * 256
    connection = struct.pack("<2I", 0, 1) + conv
    body += struct.pack("<I", 1) + struct.pack("<5I", 0, 3, 1, 33_000, 1)
    body += struct.pack("<5I", 0, 0, 1, 0, 2) + connection * 2 + struct.pack("<2I", 1, 0)
    (tmp_path / "two.ksn").write_bytes(flat_file(body))
    error = error_of(program, tmp_path / "two.ksn", 1, 1, tmp_path / "events.csv")
    assert "16896002 taps of rows and columns, more than 2^24" in error
