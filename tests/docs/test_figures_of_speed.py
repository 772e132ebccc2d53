"""The README's figures of speed are those that benchmarks/report.py wrote."""

import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
RESULTS = (ROOT / "benchmarks" / "RESULTS.md").read_text()
# In the order of the rows; the README names the commands in the same order.
WORKLOADS = ("w1", "w2", "w4", "w3")


def medians(workload: str) -> dict[str, float]:
    """Milliseconds of each candidate of a workload."""
    section = RESULTS.split(f"## against peers {workload}\n")[1].split("\n## ")[0]
    assert f"`python benchmarks/against_peers.py {workload} " in section
    rows = re.findall(r"^\| ([^|]+) \| ([\d.,]+) \|", section, flags=re.MULTILINE)
    table = {name: float(median.replace(",", "")) for name, median in rows}
    return {name: table[name] for name in list(table)[list(table).index("keras_slayer, SRM") :]}


def rows() -> list[list[str]]:
    table = README.split("## Results")[1].split("## More")[0]
    cells = [line.strip("|").split("|") for line in table.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in cells[2:]]


def milliseconds(cell: str) -> str:
    return cell.split(" (")[0]


@pytest.mark.parametrize("number", range(4))
def test_row(number):
    _, ours, dense, fastest, lava = rows()[number]
    found = medians(WORKLOADS[number])
    assert ours == f"{found['keras_slayer, SRM']:,.0f}"
    twins = [v for k, v in found.items() if k.startswith("dense TensorFlow twin")]
    assert dense == (f"{twins[0]:,.0f}" if twins and dense else "")
    others = {k: v for k, v in found.items() if not k.startswith(("keras_slayer", "dense "))}
    resetting = {k: v for k, v in others.items() if "no reset" not in k}
    best = min(resetting, key=resetting.get)
    assert milliseconds(fastest) == f"{resetting[best]:,.0f}"
    assert re.search(r"\((\w+)", fastest)[1] in best
    lavas = [v for k, v in resetting.items() if k.startswith("lava-dl")]
    assert lava == f"{min(lavas):,.0f}"


def test_figures_of_the_newest_version_are_those_of_its_table():
    page = (ROOT / "docs" / "performance.md").read_text()
    section = page.split("## Beside other libraries\n")[1].split("\n## ")[0]
    rows = re.findall(
        r"^\| ([^|]+) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|$", section, re.M
    )
    table = {name: [float(cell) for cell in cells] for name, *cells in rows}
    ours = table["keras_slayer, SRM"][1]
    for least, median, most, ratio in table.values():
        assert least <= median <= most and ratio == pytest.approx(median / ours, rel=0.01, abs=0.06)
    named = re.search(
        r"processor time of one thread: \[(\d+), (\d+), (\d+) \(Spyx\) and (\d+)\]", README
    )
    names = ("keras_slayer, SRM", "the same, dense products", "Spyx", "lava-dl")
    for name, figure in zip(names, named.groups(), strict=True):
        (row,) = (cells for of, cells in table.items() if f"{of} ".startswith(f"{name} "))
        assert figure == f"{row[1]:.0f}"
    version = re.search(r"This one is of version (\S+) \(commit [0-9a-f]{7},", section)[1]
    assert f"Version {version}, first row" in README


def test_one_machine_and_one_version():
    machines = set(re.findall(r"^(.*), 2 cores, \d threads, load", RESULTS, flags=re.MULTILINE))
    versions = set(re.findall(r"keras_slayer (\d+\.\d+\.\d+)", RESULTS))
    assert len(machines) == len(versions) == 1
    assert re.search(r"version\s+" + re.escape(versions.pop().rpartition(".")[0]), README)
    named = re.search(r"`python benchmarks/against_peers.py w1` \(w2, w4, w3\)", README)
    assert named, "the README does not name the command"
