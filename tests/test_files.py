"""Files appear whole or not at all, and nothing but a file is ever replaced."""

import os
import socket
import stat
import threading

import pytest

from keras_slayer.files import target_of, write_whole, writing


def test_new_and_existing_files(tmp_path):
    path = tmp_path / "a.net"
    write_whole(path, b"one")
    assert path.read_bytes() == b"one"
    write_whole(str(path), b"two")
    assert path.read_bytes() == b"two"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("exists", [True, False])
def test_links_are_followed(exists, tmp_path):
    """Also relative ones, links to links, and links to what is not there yet."""
    (tmp_path / "real").mkdir()
    (tmp_path / "links").mkdir()
    target = tmp_path / "real" / "b.net"
    if exists:
        target.write_bytes(b"old")
    first, second = tmp_path / "links" / "first.net", tmp_path / "second.net"
    first.symlink_to("../real/b.net")
    second.symlink_to(first)
    write_whole(second, b"new")
    assert target.read_bytes() == b"new"
    assert first.is_symlink() and second.is_symlink() and not target.is_symlink()
    assert sorted(p.name for p in tmp_path.rglob("*")) == [
        *("b.net", "first.net", "links", "real", "second.net")
    ]


def special(kind, folder):
    """Something at ``folder / "a"`` that is no regular file."""
    path = folder / "a"
    if kind == "device":
        path.symlink_to("/dev/null")
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        socket.socket(socket.AF_UNIX).bind(str(path))
    elif kind == "folder":
        path.mkdir()
    elif kind == "circle":
        path.symlink_to(folder / "b")
        (folder / "b").symlink_to(path)
    return path / "c" / "d" if kind == "missing" else path


def test_a_folder_that_takes_no_file_is_named_as_it_was_given():
    path = "/proc/a.net"  # to which not even root can write
    with pytest.raises(FileNotFoundError) as caught:
        write_whole(path, b"data")
    assert caught.value.filename == path and ".net'" in str(caught.value)


@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
@pytest.mark.parametrize(
    ("kind", "problem"),
    [
        ("device", "it links to a device"),
        ("pipe", "it is a named pipe"),
        ("socket", "it is a socket"),
        ("folder", "it is a folder"),
        ("circle", "Too many levels of symbolic links"),
        ("missing", "there is no folder '.*c'"),
    ],
)
def test_what_is_no_file_is_refused_and_left_alone(kind, problem, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # paths of sockets must be short
    path = special(kind, tmp_path)
    before = sorted((p.name, p.lstat().st_mode, p.lstat().st_ino) for p in tmp_path.iterdir())
    for write in (target_of, lambda path: write_whole(path, b"data")):
        with pytest.raises(ValueError, match=f"path must be a regular file.*Received.*{problem}"):
            write(path)
    found = sorted((p.name, p.lstat().st_mode, p.lstat().st_ino) for p in tmp_path.iterdir())
    assert found == before


def test_a_file_keeps_its_permissions(tmp_path):
    path = tmp_path / "a.net"
    path.write_bytes(b"old")
    path.chmod(0o640)
    write_whole(path, b"new")
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(b"old")
    with pytest.raises(OSError, match="disk full"), writing(path) as temporary:
        assert (temporary.suffix, temporary.parent) == (".png", tmp_path)
        temporary.write_bytes(b"half")
        raise OSError("disk full")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_threads_that_write_to_one_path_do_not_meet(tmp_path):
    """Each of them is half-way at the same time as all others."""
    path, count = tmp_path / "a.net", 8
    half_way = threading.Barrier(count, timeout=30)
    failures = []

    def write(number):
        try:
            with writing(path) as temporary, open(temporary, "xb") as file:
                file.write(bytes([number]) * 1000)
                half_way.wait()
                file.write(bytes([number]) * 1000)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    data = path.read_bytes()
    assert len(data) == 2000 and len(set(data)) == 1
    assert list(tmp_path.iterdir()) == [path]
