"""What ``make release`` finds wrong: version, changelog, metadata, files of sdist and wheels."""

import io
import json
import tarfile
import zipfile

import check_files
import check_release
import pytest
import wheel_tools

from keras_slayer.ops import record


def copy_of_project(folder, **changes):
    """The files that carry the version, with some text replaced."""
    for name in ("pyproject.toml", "CHANGELOG.md", "keras_slayer/__init__.py"):
        text = (wheel_tools.ROOT / name).read_text()
        for old, new in changes.get(name.split("/")[-1].split(".")[0], []):
            assert old in text
            text = text.replace(old, new, 1)
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return folder


def test_this_checkout_is_at_one_version():
    assert check_release.version_problems() == []


def test_versions_that_differ(tmp_path):
    version = wheel_tools.project()["version"]
    root = copy_of_project(
        tmp_path,
        CHANGELOG=[(f"## {version}", "## 9.9.9")],
        __init__=[(version, "0.0.1")],
    )
    assert check_release.version_problems(root) == [
        f"keras_slayer/__init__.py is not at {version}, the version of the project",
        f"CHANGELOG.md does not begin with {version}",
    ]


@pytest.mark.parametrize(("heading", "dated"), [("1.0.0 (2026-12-24)", True), ("1.0.0", False)])
def test_a_release_has_a_date(tmp_path, heading, dated):
    (tmp_path / "CHANGELOG.md").write_text(
        f"# Changelog\n\n## {heading}\n\n## 0.1.0 (2026-11-27)\n"
    )
    assert (check_release.date_problems(tmp_path) == []) == dated


def test_an_empty_folder_is_a_list_of_problems(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.argv", ["check_release.py", str(tmp_path)])
    with pytest.raises(SystemExit, match=r"has 0 wheels for Python 3\.11 instead of one"):
        check_release.main()


def metadata(**changes):
    project = wheel_tools.project()
    fields = {
        "Name": "keras_slayer",
        "Version": project["version"],
        "License-Expression": "Apache-2.0",
        "License-File": "LICENSE",
        "Requires-Python": project["requires-python"],
        "Description-Content-Type": "text/markdown",
        **changes,
    }
    needs = [f"Requires-Dist: {requirement}" for requirement in project["dependencies"]]
    return "\n".join([*(f"{name}: {value}" for name, value in fields.items()), *needs, "", "Text"])


def test_metadata():
    assert check_release.metadata_problems(metadata()) == []
    old = metadata(**{"License-Expression": ""}).replace("Requires-Dist: numpy", "Requires-Dist: n")
    classifier = "Classifier: License :: OSI Approved :: Apache Software License\n"
    problems = check_release.metadata_problems(classifier + old)
    assert problems == [
        "License-Expression is '', not 'Apache-2.0'",
        "Requires-Dist lacks numpy>=1.26",
        "a licence among the classifiers, which License-Expression replaces",
    ]


def test_the_licence_is_an_spdx_expression():
    project = wheel_tools.project()
    assert project["license"] == "Apache-2.0"
    assert [(wheel_tools.ROOT / name).is_file() for name in project["license-files"]] == [True]


def test_the_manifest_takes_every_file_of_the_repository():
    lines = (wheel_tools.ROOT / "MANIFEST.in").read_text().splitlines()
    words = [line.split() for line in lines if line and not line.startswith("#")]
    folders = {name for command, *names in words if command == "graft" for name in names}
    files = {name for command, *names in words if command == "include" for name in names}
    # setuptools takes these unasked.
    files |= {"pyproject.toml", "setup.py", "README.md", "MANIFEST.in"}
    tracked = check_files.tracked_files()
    assert len(tracked) > 500
    left_out = {n for n in tracked if n.split("/")[0] not in folders and n not in files}
    assert left_out == set()
    assert {name for name in tracked if name.endswith((".so", ".o", ".pyc"))} == set()
    assert all((wheel_tools.ROOT / name).exists() for name in folders | files)


def make_sdist(path, names):
    with tarfile.open(path, "w:gz") as archive:
        for name in names:
            archive.addfile(tarfile.TarInfo(f"keras_slayer-0/{name}"), io.BytesIO())
    return path


def test_sdist(tmp_path):
    tracked = sorted(check_files.tracked_files())
    added = ["PKG-INFO", "setup.cfg", "keras_slayer.egg-info/SOURCES.txt"]
    good = make_sdist(tmp_path / "good.tar.gz", tracked + added)
    assert check_files.sdist_problems(good) == []
    others = [name for name in tracked if name != "tests/conftest.py"]
    bad = make_sdist(tmp_path / "bad.tar.gz", [*others, "out/x.npz"])
    assert check_files.sdist_problems(bad) == [
        "bad.tar.gz lacks tests/conftest.py",
        "bad.tar.gz has out/x.npz",
    ]


SIMULATOR = "keras_slayer/export/_simulator.cpython-311-x86_64-linux-gnu.so"
NAME = "keras_slayer-0.2.0-cp311-cp311-manylinux_2_35_x86_64.whl"


def make_wheel(folder, libraries, name=NAME, without=(), more=()):
    """A wheel whose files have no content but for op libraries and their records."""
    files = {n: b"" for n in check_files.tracked_files() if n.startswith("keras_slayer/")}
    for module in ("export/_simulator", "events/_decoders"):
        files[f"keras_slayer/{module}.cpython-311-x86_64-linux-gnu.so"] = b""
    for version in libraries:
        path = folder / f"_native-tf{version}-x86_64-01234567.so"
        path.write_bytes(version.encode())
        record.write(path, {"tensorflow": version, "defines": []})
        for file in (path, record.path_of(path)):
            files[f"keras_slayer/ops/{file.name}"] = file.read_bytes()
    files |= dict.fromkeys(["keras_slayer-0.2.0.dist-info/METADATA", *more], b"")
    with zipfile.ZipFile(folder / name, "w") as archive:
        for file, content in files.items():
            if file not in without:
                archive.writestr(file, content)
    return folder / name


def test_wheel(tmp_path):
    wheel = make_wheel(tmp_path, ["2.18.0", "2.21.0"], more=["keras_slayer/"])
    assert check_files.wheel_problems(wheel, ["2.21.0", "2.18.0"]) == []
    assert (check_files.python_of(wheel), check_files.machine_of(wheel)) == ("3.11", "x86_64")
    lacking = make_wheel(
        tmp_path,
        ["2.18.0"],
        NAME.replace("manylinux_2_35", "linux"),
        without=["keras_slayer/py.typed", SIMULATOR],
        more=["tests/conftest.py", "keras_slayer/ops/old.so"],
    )
    problems = check_files.wheel_problems(lacking, ["2.18.0", "2.21.0"])
    assert [problem.removeprefix(f"{lacking.name}: ") for problem in problems] == [
        "its name has no manylinux tag",
        "it has the ops of TensorFlow ['2.18.0'], not of ['2.18.0', '2.21.0']",
        "it lacks keras_slayer/py.typed",
        "it has 0 files of export/_simulator instead of one",
        "it has keras_slayer/ops/old.so",
        "it has tests/conftest.py",
    ]
    assert check_files.machine_of(lacking) == "x86_64"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda record: record["built_for"].update(tensorflow="2.20.0"), "does not name"),
        (lambda record: record.update(sha256="0"), "is not what its record says"),
    ],
)
def test_wheel_with_a_wrong_record(tmp_path, change, why):
    """As when a tool has changed a library after it was recorded."""
    whole = make_wheel(tmp_path, ["2.21.0"])
    other = tmp_path / NAME.replace("cp311-", "cp312-", 1)
    with zipfile.ZipFile(whole) as old, zipfile.ZipFile(other, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name.endswith(".so.json"):
                content = json.loads(content)
                change(content)
                content = json.dumps(content)
            new.writestr(name, content)
    (problem,) = check_files.wheel_problems(other, ["2.21.0"])
    assert why in problem and "_native-tf2.21.0" in problem
