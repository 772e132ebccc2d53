"""What the examples say to wrong files, before they train, and to Ctrl-C: no traceback."""

import pathlib
import runpy

import pytest

EXAMPLES = pathlib.Path(__file__).resolve().parents[1] / "examples"
PROGRAMS = sorted(
    path.name for path in EXAMPLES.glob("*.py") if '"__main__"' in path.read_text("utf-8")
)


@pytest.fixture
def run():
    return runpy.run_path(str(EXAMPLES / "command_line.py"))["run"]


@pytest.mark.parametrize("error", [FileNotFoundError, PermissionError, NotADirectoryError])
def test_a_wrong_file_is_an_error_of_one_line(error, run, capsys):
    def main():
        raise error("what is wrong with it")

    with pytest.raises(SystemExit, match=r"^1$"):
        run(main)
    assert capsys.readouterr() == ("", "error: what is wrong with it\n")


def test_ctrl_c_ends_with_the_status_of_its_signal(run):
    def main():
        raise KeyboardInterrupt

    with pytest.raises(SystemExit, match=r"^130$"):
        run(main)


def test_a_bug_keeps_its_traceback_and_success_exits_not_at_all(run):
    with pytest.raises(ZeroDivisionError):
        run(lambda: 1 // 0)
    run(lambda: 1)


def test_every_program_ends_so():
    assert len(PROGRAMS) > 15
    for name in PROGRAMS:
        assert (EXAMPLES / name).read_text("utf-8").endswith("    run(main)\n"), name


@pytest.mark.parametrize("script", ["depth.py", "first_spikes.py", "residual.py"])
def test_an_output_that_is_no_folder_is_refused_before_training(script, refusal, tmp_path):
    (tmp_path / "taken").touch()
    message = "error: [Errno 17] File exists: 'taken'\n"
    assert refusal(EXAMPLES / script, "--output", "taken") == message


@pytest.mark.parametrize(
    ("script", "arguments", "message"),
    [
        ("export_loihi.py", ["--model", "none.keras"], "--model: there is no file none.keras"),
        ("export_loihi.py", ["--weight-bits", "9"], "--weight-bits must be 1 to 8"),
        ("export_loihi.py", ["--steps", "0"], "--steps must be positive"),
        ("srm_to_loihi.py", ["--weight-bits", "0"], "--weight-bits must be 1 to 8"),
        ("keywords.py", ["--data-dir", "none"], "error: none does not hold what shd is made from."),
        ("nmnist.py", ["--data-dir", "none"], "error: none lacks Train.zip."),
    ],
)
def test_wrong_arguments(script, arguments, message, refusal):
    assert message in refusal(EXAMPLES / script, *arguments)
