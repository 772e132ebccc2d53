"""Same inputs, same bits: whatever the number of threads and the instruction set."""

import functools
import json
import pathlib
import platform

import cases
import processes
import pytest

SCRIPT = str(pathlib.Path(__file__).with_name("digests.py"))


@functools.cache
def digests(threads: int, isa: str) -> dict:
    cases.native_ops()  # built before several processes ask for it
    return json.loads(
        processes.output_of(processes.start(SCRIPT, str(threads), KERAS_SLAYER_ISA=isa))
    )


def processor_has(isa: str) -> bool:
    flag = {"avx2": "avx2", "avx512": "avx512vl"}.get(isa)
    return flag is None or flag in pathlib.Path("/proc/cpuinfo").read_text().split()


def test_one_thread_and_two():
    one, two = digests(1, ""), digests(2, "")
    assert len(one) > 15
    assert len({digest["gradients"] for digest in one.values()}) > 10
    assert one == two


@pytest.mark.skipif(platform.machine() != "x86_64", reason="one instruction set only")
@pytest.mark.parametrize("isa", ["baseline", "avx2"])
def test_instruction_sets(isa):
    """Multiply-adds are fused on all or on none, so even the neurons' chaotic spikes agree."""
    if not processor_has(isa):
        pytest.skip(f"this processor has no {isa}")
    assert digests(2, isa) == digests(1, "")
