"""The C++ programs, compiled once for all tests."""

import pathlib

import pytest
from cpp_cases import SOURCES, compiled


@pytest.fixture(scope="session")
def program(tmp_path_factory):
    return compiled(tmp_path_factory.mktemp("cpp"), SOURCES / "run_recording.cc", "-O1")


@pytest.fixture(scope="session")
def checked_program(tmp_path_factory):
    """Runs many networks, and checks every access to memory and every overflow."""
    checks = ["-O0", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    source = pathlib.Path(__file__).with_name("many_networks.cc")
    return compiled(tmp_path_factory.mktemp("cpp"), source, *checks)
