"""``make release``: checks that what is in dist/ can be given away. Signs and uploads nothing.

Checks the version, the changelog, the metadata, the pages that PyPI shows, and the files of the
sdist and of every wheel.
"""

from __future__ import annotations

import email
import pathlib
import re
import sys
import tarfile
import zipfile

import tensorflow_releases
from check_files import machine_of, python_of, sdist_problems, wheel_problems
from wheel_tools import ROOT, megabytes, project, python_tag, pythons, run, say


def version_problems(root: pathlib.Path = ROOT) -> list[str]:
    """Whether package, project and changelog are at one version."""
    version = project(root)["version"]
    package = (root / "keras_slayer" / "__init__.py").read_text()
    problems = []
    if f'__version__ = "{version}"' not in package:
        problems.append(f"keras_slayer/__init__.py is not at {version}, the version of the project")
    heading = re.search(r"^## (.*)$", (root / "CHANGELOG.md").read_text(), re.MULTILINE)
    if not heading or heading[1].split()[0] != version:
        problems.append(f"CHANGELOG.md does not begin with {version}")
    return problems


def date_problems(root: pathlib.Path = ROOT) -> list[str]:
    """Whether the newest version of the changelog has its date: it has one once it is released."""
    heading = re.search(r"^## (.*)$", (root / "CHANGELOG.md").read_text(), re.MULTILINE)
    if heading and re.search(r"\d{4}-\d\d-\d\d", heading[1]):
        return []
    return ["CHANGELOG.md gives no date (YYYY-MM-DD) for its newest version"]


def metadata_problems(text: str) -> list[str]:
    """What is wrong with the metadata of an sdist or a wheel."""
    found, wanted = email.message_from_string(text), project()
    expected = {
        "Name": wanted["name"].replace("_", "-"),
        "Version": wanted["version"],
        "License-Expression": "Apache-2.0",
        "License-File": "LICENSE",
        "Requires-Python": wanted["requires-python"],
        "Description-Content-Type": "text/markdown",
    }
    problems = []
    for field, value in expected.items():
        received = found.get(field, "")
        if field == "Name":
            received = received.replace("_", "-")
        if received != value:
            problems.append(f"{field} is {received!r}, not {value!r}")
    lacking = set(wanted["dependencies"]) - set(found.get_all("Requires-Dist", []))
    problems += [f"Requires-Dist lacks {requirement}" for requirement in sorted(lacking)]
    if any(c.startswith("License ::") for c in found.get_all("Classifier", [])):
        problems.append("a licence among the classifiers, which License-Expression replaces")
    return problems


def metadata_of(file: pathlib.Path) -> str:
    """The metadata in an sdist or a wheel."""
    if file.suffix == ".whl":
        with zipfile.ZipFile(file) as archive:
            (name,) = (n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
            return archive.read(name).decode()
    with tarfile.open(file) as archive:
        # The folder of the sdist has it, and so has the egg-info in it.
        name = min((n for n in archive.getnames() if n.endswith("/PKG-INFO")), key=len)
        return archive.extractfile(name).read().decode()


def file_problems(dist: pathlib.Path) -> list[str]:
    """What is wrong with the files in dist/: one sdist, and a wheel for each Python."""
    version = project()["version"]
    sdists, wheels = sorted(dist.glob("*.tar.gz")), sorted(dist.glob("*.whl"))
    problems = []
    if [path.name for path in sdists] != [f"keras_slayer-{version}.tar.gz"]:
        problems.append(f"{dist} must have the sdist of {version} alone")
    for python in pythons():
        count = sum(f"-{python_tag(python)}-" in wheel.name for wheel in wheels)
        if count != 1:
            problems.append(f"{dist} has {count} wheels for Python {python} instead of one")
    for sdist in sdists:
        problems += sdist_problems(sdist)
    for wheel in wheels:
        python, machine = python_of(wheel), machine_of(wheel)
        problems += wheel_problems(wheel, tensorflow_releases.releases(python, machine))
    for file in [*sdists, *wheels]:
        problems += [f"{file.name}: {problem}" for problem in metadata_problems(metadata_of(file))]
        say(f"{file.name}: {megabytes(file)}")
    return problems


def main() -> None:
    dist = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "dist")
    problems = version_problems() + date_problems() + file_problems(dist)
    if files := sorted(dist.glob("keras_slayer-*")):  # renders README as PyPI does
        say(run(sys.executable, "-m", "twine", "check", "--strict", *files))
    if changed := run("git", "-C", ROOT, "status", "--porcelain"):
        problems.append(f"files that are not committed:\n{changed}")
    if problems:
        sys.exit("\n".join([f"Not ready to release, {len(problems)} problems:", *problems]))
    say("Ready to release. Nothing was signed or uploaded.")


if __name__ == "__main__":
    main()
