"""Every GPU kernel under ThreadSanitizer, AddressSanitizer and UBSan, in several orders of threads.

The kernels run on the host (emulator/cuda_on_host.h), where nothing but barriers, and atomics with
fences, orders two threads. Planted bugs (emulator/bugs.cu) show that each kind of bug is caught.
"""

import re

import emulation
import pytest

SEEDS = ("1", "2", "3", "4", "5", "6")
# Who catches each bug of bugs.cu, and what is said then. The emulator's own messages come with
# either sanitizer.
BUGS = {
    "bug_no_barrier": ("thread", "data race"),
    "bug_lockstep": ("thread", "data race"),
    "bug_blocks_race": ("thread", "data race"),
    "bug_shuffle_as_barrier": ("thread", "data race"),
    "bug_no_fences": ("thread", "data race"),
    "bug_past_shared": ("address", r"index 128 out of bounds for type 'float \[128\]'"),
    "bug_past_shared_by_pointer": ("address", "AddressSanitizer: use-after-poison"),
    "bug_past_global": ("address", "AddressSanitizer: heap-buffer-overflow"),
    "bug_misaligned": ("address", "misaligned address"),
    "bug_overflow": ("address", "signed integer overflow"),
    "bug_barrier_in_branch": ("address", "waits for a barrier that not all threads reach"),
    "bug_two_barriers": ("address", r"others wait at another barrier, line \d+"),
    "bug_lanes_gone": ("address", "waits for a barrier that not all threads reach"),
    "bug_lane_outside_mask": ("address", "a shuffle from a lane that the mask leaves out"),
    "bug_spins": ("address", "never ends"),
    "bug_not_initialised": ("address", "element 0 was not written"),
    "bug_not_written": ("address", "element 7 was not written"),
    "bug_order": ("address", "depends on the order of threads"),
}
GOOD = ("good_barrier", "good_warp_barrier", "good_sums", "good_fences")
watched = pytest.mark.parametrize("sanitizer", list(emulation.SANITIZERS))


def program(name: str, sanitizer: str):
    if reason := emulation.why_not(sanitizer):
        pytest.skip(reason)
    own = {
        "kernels": [*emulation.kernel_sources(), *sorted(emulation.EMULATOR.glob("*_cases.cc"))],
        "bugs": [emulation.EMULATOR / "bugs.cu"],
    }
    return emulation.program(name, [*own[name], emulation.EMULATOR / "watch.cc"], sanitizer)


@watched
def test_all_kernels(sanitizer):
    """Each has a case; no sanitizer objects; and the results do not depend on the order."""
    result = emulation.run(program("kernels", sanitizer), "all", *SEEDS[:3])
    lines = result.stdout.splitlines()
    bad = [line for line in lines if not line.endswith(": ok")]
    assert not bad and result.returncode == 0, "\n".join([*bad, result.stderr])
    sources = "".join(path.read_text() for path in emulation.kernel_sources())
    assert len(lines) % 4 == 0 and len(lines) >= 4 * sources.count("\nKS_GPU_KERNEL(")


@pytest.mark.parametrize("bug", BUGS)
def test_planted_bugs_are_caught(bug):
    sanitizer, message = BUGS[bug]
    result = emulation.run(program("bugs", sanitizer), bug, *SEEDS)
    assert result.returncode != 0
    assert re.search(message, result.stdout + result.stderr), result.stdout + result.stderr


@watched
@pytest.mark.parametrize("kernel", GOOD)
def test_kernels_without_a_bug_pass(kernel, sanitizer):
    result = emulation.run(program("bugs", sanitizer), kernel, *SEEDS)
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout == f"{kernel}: ok\n"


def test_no_planted_bug_is_left_out():
    text = (emulation.EMULATOR / "bugs.cu").read_text()
    assert set(re.findall(r"^KERNEL\((\w+)\)", text, re.MULTILINE)) == {*BUGS, *GOOD}


def test_messages_say_where():
    """Block, thread and line, of the first few; and how many there are."""
    result = emulation.run(program("bugs", "address"), "bug_two_barriers", "1")
    text = (emulation.EMULATOR / "bugs.cu").read_text()
    start = text[: text.index("KERNEL(bug_two_barriers)")].count("\n")
    lines = {str(start + i) for i in (4, 6)}
    found = re.findall(
        r"block \([01], 0, 0\), thread \(\d+, 0, 0\), line (\d+): others", result.stdout
    )
    assert len(found) == 5 and set(found) <= lines
    assert re.search(r"^\d+ failures in all$", result.stdout, re.MULTILINE)
