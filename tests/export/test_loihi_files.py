"""Where an export writes: through links, never over what is no file, and nothing before it fits."""

import concurrent.futures
import os
import threading

import h5py
import keras
import numpy as np
import pytest

import keras_slayer as ks
from keras_slayer.export import export_loihi


def model():
    layers = [keras.Input((5, 4)), ks.SpikingDense(3, neuron="loihi", name="dense")]
    found = keras.Sequential(layers)
    found.layers[0].kernel.assign(np.ones((4, 3)))
    return found


@pytest.fixture(scope="module")
def report():
    return export_loihi(model(), None, dry_run=True)


WRITERS = {
    "net": lambda path, report: export_loihi(model(), path, format="net"),
    "nir": lambda path, report: export_loihi(model(), path, format="nir"),
    "html": lambda path, report: report.to_html(path),
    "png": lambda path, report: report.plot_cores(path),
}


@pytest.mark.parametrize("suffix", WRITERS)
def test_links_are_followed(suffix, report, tmp_path):
    target = tmp_path / f"target.{suffix}"
    target.write_bytes(b"old")
    link = tmp_path / f"link.{suffix}"
    link.symlink_to(target.name)
    WRITERS[suffix](link, report)
    assert link.is_symlink() and not target.is_symlink()
    assert target.stat().st_size > 100
    assert sorted(tmp_path.iterdir()) == [link, target]


def link_to_a_device(path):
    path.symlink_to("/dev/null")


def link_to_a_folder(path):
    path.symlink_to("/")


TARGETS = {
    link_to_a_device: "it links to a device",
    os.mkfifo: "it is a named pipe",
    os.mkdir: "it is a folder",
    link_to_a_folder: "it links to a folder",
}


@pytest.mark.parametrize("suffix", WRITERS)
@pytest.mark.parametrize("make", TARGETS)
def test_what_is_no_file_is_refused(make, suffix, report, tmp_path):
    path = tmp_path / f"a.{suffix}"
    make(path)
    before = path.lstat()
    with pytest.raises(ValueError, match=f"path must be a regular file.*{TARGETS[make]}"):
        WRITERS[suffix](path, report)
    assert (path.lstat().st_ino, path.lstat().st_mode) == (before.st_ino, before.st_mode)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("format", ["net", "nir"])
def test_devices_are_refused_by_their_own_names(format):
    with pytest.raises(ValueError, match=r"path='/dev/null': it is a device"):
        export_loihi(model(), "/dev/null", format=format)


@pytest.mark.parametrize("format", ["net", "nir"])
def test_threads_write_at_once(format, tmp_path, monkeypatch):
    """All are within the writing of HDF5 before one goes on."""
    given, threads = model(), 3
    expected = tmp_path / "expected"
    export_loihi(given, expected, format=format)
    barrier = threading.Barrier(threads, timeout=60)
    create = h5py.Group.create_group

    def wait_and_create(self, *args, **kwargs):
        if self.name == "/":
            barrier.wait()
        return create(self, *args, **kwargs)

    monkeypatch.setattr(h5py.Group, "create_group", wait_and_create)
    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        paths = [tmp_path / f"{i}" for i in range(threads)]
        list(pool.map(lambda path: export_loihi(given, path, format=format), paths))
    for path in paths:
        assert path.read_bytes() == expected.read_bytes()
