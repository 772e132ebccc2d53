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


def test_table_of_all_workloads():
    page = (ROOT / "docs" / "performance.md").read_text()
    section = page.split("## Beside other libraries\n")[1].split("\n## ")[0]
    found = {}
    for line in section.splitlines():
        name, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        if len(cells) == len(WORKLOADS) and not name.startswith("-") and name:
            found[name] = cells
    assert len(found) > 10
    for number, workload in enumerate(WORKLOADS):
        table = medians(workload)
        for name, cells in found.items():
            if cells[number]:
                assert float(cells[number].replace(",", "")) == pytest.approx(
                    table[name], abs=0.051 if table[name] < 100 else 0.51
                )
            else:
                assert name not in table
