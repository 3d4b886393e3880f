"""Deployed zips: extracted once and whole, and never outside their folder."""

from __future__ import annotations

import concurrent.futures
import io
import zipfile
from typing import TYPE_CHECKING

import pytest

from infra.local import bundles

if TYPE_CHECKING:
    from pathlib import Path


def zipped(files: dict[str, str], mode: int = 0o644) -> bytes:
    """A zip of those files, with that mode."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in files.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            archive.writestr(info, text)
    return buffer.getvalue()


def test_the_same_zip_is_extracted_once(tmp_path: Path) -> None:
    """The second call finds the first one's folder; another zip gets another."""
    first = bundles.extract(zipped({"app.py": "1"}), tmp_path)
    assert (first / "app.py").read_text() == "1"
    assert bundles.extract(zipped({"app.py": "1"}), tmp_path) == first
    assert bundles.extract(zipped({"app.py": "2"}), tmp_path) != first


def test_concurrent_calls_agree(tmp_path: Path) -> None:
    """Several workers that start at once share one whole extraction."""
    bundle = zipped({f"{n}.py": "x" * 1000 for n in range(50)})
    with concurrent.futures.ThreadPoolExecutor(4) as threads:
        found = set(threads.map(lambda _: bundles.extract(bundle, tmp_path), range(4)))
    assert len(found) == 1
    assert [path.name for path in tmp_path.iterdir()] == [found.pop().name]


def test_names_that_climb_stay_inside(tmp_path: Path) -> None:
    """A member named like a parent's file lands in the folder all the same."""
    bundles.extract(zipped({"../../escaped.py": "x", "/absolute.py": "x"}), tmp_path / "in")
    assert not (tmp_path / "escaped.py").exists()
    assert len(list((tmp_path / "in").rglob("*.py"))) == 2


def test_an_executable_stays_one(tmp_path: Path) -> None:
    """Modes are kept, and every file can be read."""
    folder = bundles.extract(zipped({"run": "x"}, mode=0o111), tmp_path)
    assert (folder / "run").stat().st_mode & 0o777 == 0o511


def test_what_is_no_zip_leaves_nothing_to_trust(tmp_path: Path) -> None:
    """A damaged bundle raises each time."""
    for _ in range(2):
        with pytest.raises(zipfile.BadZipFile):
            bundles.extract(b"no zip", tmp_path)
