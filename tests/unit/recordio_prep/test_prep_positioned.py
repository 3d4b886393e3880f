"""Files of many photos: read at positions that nobody shares, few of them open at once."""

import os
from pathlib import Path

import pytest

from contracts import PhotoError
from recordio_prep.sources.positioned import positions, read_at


def open_files():
    """What this process's descriptors point at, each with its position."""
    found = {}
    for entry in Path("/proc/self/fd").iterdir():
        try:
            found[entry.readlink()] = os.lseek(int(entry.name), 0, os.SEEK_CUR)
        except OSError:  # a pipe, or the listing of this folder itself
            continue
    return found


def test_reading_moves_no_position(tmp_path):
    """Forked processes share a descriptor's position: it must not matter."""
    path = tmp_path / "photos"
    path.write_bytes(b"0123456789")
    assert read_at(path, 4, 3) == b"456"
    assert open_files()[path] == 0
    assert read_at(path, 8, 5) == b"89"
    assert read_at(path, 20, 5) == b""


def test_few_files_stay_open(tmp_path):
    """However many are read, and all of them rightly."""
    for n in range(100):
        (tmp_path / f"{n}").write_text(f"file {n}")
        assert read_at(tmp_path / f"{n}", 5, 9) == f"{n}".encode()
    assert 0 < sum(path.is_relative_to(tmp_path) for path in open_files()) <= 16


def test_what_is_no_file_cannot_be_read(tmp_path):
    """A pipe is not waited for, nor left open."""
    os.mkfifo(tmp_path / "pipe")
    for path, reason in (
        (tmp_path, "not a regular file"),
        (tmp_path / "pipe", "not a regular file"),
        (tmp_path / "none", "No such file"),
    ):
        with pytest.raises(OSError, match=reason):
            read_at(path, 0, 1)
        assert path not in open_files()


def test_a_locator_holds_whole_numbers():
    """As many as are expected, none beyond what a file can have."""
    assert positions("12:0:3", "offset", "length", "n") == [12, 0, 3]
    for locator in ("", "1", "1:2:3", "1:-2", "1: 2", "1:\u0663", f"1:{'9' * 19}", "1:2\n"):
        with pytest.raises(PhotoError, match="expected <offset>:<length>"):
            positions(locator, "offset", "length")
