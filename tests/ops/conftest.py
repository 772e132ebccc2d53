import textwrap

import pytest

from keras_slayer.ops import build, library, selection

# A library that is quick to compile and, as it touches all of its data when it is opened,
# ends the process if the file is cut short.
TINY_SOURCES = {
    "deep/tiny_op.cc": """
        char data[1 << 20] = {1};
        __attribute__((constructor)) void touch() {
          for (long i = 0; i < (1 << 20); i += 4096) data[i] += 1;
        }
        """,
    "tiny_cpu.cc": "namespace KS_ISA { extern const int table = 1; }",
    "instruction_set.cc": "int chosen() { return 1; }",
}


# A GPU kernel of each storage type, and a function in place of the library's that notes its calls.
TINY_KERNELS = {
    "base/tiny.h": "#include <cstdint>\nstruct Half { uint16_t bits; }; using Bfloat16 = Half;",
    "gpu/tiny.cu": """
        #include "base/tiny.h"
        #define KERNEL_OF(type) \\
          extern "C" __global__ void tiny_##type(const type* x, type* y) { *y = *x; }
        #define KERNEL(type) KERNEL_OF(type)
        KERNEL(KS_GPU_TYPE)
        """,
    "gpu/enable_op.cc": """
        #include <cstdio>
        #include <cstdlib>
        extern "C" __attribute__((visibility("default")))
        int keras_slayer_enable_gpu(const char* folder) {
          FILE* calls = fopen(getenv("KS_TEST_CALLS"), "a");
          fprintf(calls, "%s\\n", folder);
          return fclose(calls) + 7;
        }
        """,
}


@pytest.fixture(autouse=True)
def events_for_few_units(monkeypatch):
    """Small products go the event-driven way too, which is what these tests are about."""
    monkeypatch.setattr(selection, "MIN_UNITS", 0)
    monkeypatch.setattr(selection, "matmul_max_density", lambda units: 0.1)


@pytest.fixture
def fresh(monkeypatch, tmp_path):
    """As in a new process with an empty cache and no library in the package; returns the cache."""
    package, cache = tmp_path / "package", tmp_path / "cache"
    package.mkdir()
    for variable in ("CXX", "KERAS_SLAYER_OPS", "KERAS_SLAYER_ISA"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("KERAS_SLAYER_CACHE", str(cache))
    monkeypatch.setattr(library, "__file__", str(package / "library.py"))
    monkeypatch.setattr(library, "_loaded", None)
    monkeypatch.setattr(library, "_path", None)
    monkeypatch.setattr(library, "_on_gpu", False)
    return cache


@pytest.fixture
def tiny_sources(monkeypatch, tmp_path):
    """C++ sources that the real compiler is done with in a second, in place of the package's."""
    folder = tmp_path / "csrc"
    write_sources(folder, TINY_SOURCES)
    monkeypatch.setattr(build, "SOURCES", folder)
    return folder


def write_sources(folder, sources):
    for name, text in sources.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))


@pytest.fixture
def tiny_kernels(tiny_sources):
    """The same with GPU kernels that NVRTC is done with in a second."""
    write_sources(tiny_sources, TINY_KERNELS)
    return tiny_sources


@pytest.fixture
def compiler(monkeypatch, tmp_path):
    """A pretended g++ that is quick, and the file where it notes its command lines."""
    log, script = tmp_path / "commands.log", tmp_path / "fake-g++"
    script.write_text(
        textwrap.dedent(f"""\
        #!/bin/sh
        echo "$*" >> {log}
        case "$*" in *-shared*) sleep 0.5 ;; esac
        while [ $# -gt 1 ]; do
          if [ "$1" = -o ]; then echo compiled > "$2"; fi
          shift
        done
        """)
    )
    script.chmod(0o755)
    monkeypatch.setenv("CXX", str(script))
    return log
