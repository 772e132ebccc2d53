"""The report of a soak as Markdown."""

from __future__ import annotations

import importlib.metadata
import pathlib

TITLES = {
    "training": "Training, its processes killed",
    "recordings": "Pipelines over corrupt and vanishing recordings",
    "streams": "Streams",
    "exports": "Exports to one folder by several processes, some killed",
}
WAYS = (
    "| | steps | bursts compared | spikes compared | memory, MB: first, last, most | slope, kB per "
    "minute |"
)


def processor() -> str:
    path = pathlib.Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if "model name" in line), "?")


def versions() -> dict[str, str]:
    return {name: importlib.metadata.version(name) for name in ("tensorflow", "keras", "numpy")}


def markdown(found: dict) -> str:
    machine = ", ".join(f"{name} {value}" for name, value in found["machine"].items())
    text = ["# What the soak survived", "", f"{found['minutes']:g} minutes; {machine}.", ""]
    for part, result in found["parts"].items():
        text += [f"## {TITLES[part]}", "", "| | |", "|---|---|"]
        ways = result.get("ways")
        text += _rows(result)
        text.append("")
        if ways:
            text += [WAYS, "|---|---|---|---|---|---|"]
            for name, way in ways.items():
                memory = way["memory"]
                text.append(
                    f"| {name} | {way['steps']:,} | {way['bursts_compared']:,} | "
                    f"{way['spikes_compared']:,} | {_list(memory['megabytes'])} | "
                    f"{memory['slope_kilobytes_per_minute']:g} |"
                )
            text.append("")
        failures = result["failures"]
        text.append(f"{len(failures)} failures:" if failures else "No failure.")
        text += [f"- {failure}" for failure in failures] + [""]
    return "\n".join(text)


def _rows(result: dict) -> list[str]:
    rows = []
    for name, value in result.items():
        if name in ("ways", "failures") or value == {}:
            continue
        if name == "memory":
            rows.append(f"| resident memory, MB: first, last, most | {_list(value['megabytes'])} |")
            slope = f"{value['slope_kilobytes_per_minute']:g} over {value['minutes']:g} minutes"
            rows.append(f"| its slope, kB per minute | {slope} |")
        else:
            rows.append(f"| {name.replace('_', ' ')} | {_shown(value)} |")
    return rows


def _shown(value) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {count:,}" for name, count in sorted(value.items()))
    return _list(value) if isinstance(value, list) else f"{value:,}"


def _list(values) -> str:
    return ", ".join(f"{value:,}" for value in values)
