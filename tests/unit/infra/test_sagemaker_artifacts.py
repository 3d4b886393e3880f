"""model.tar.gz packed and unpacked."""

import io
import tarfile

import pytest
from sagemaker_memory import tar_gz

from contracts import ArtifactError
from infra.sagemaker import artifacts
from infra.sagemaker.artifacts import pack, unpack


def test_a_folder_survives_the_way_through_an_archive(tmp_path):
    """Files are at the root, folders below keep their names, a link becomes what it leads to."""
    model = tmp_path / "model"
    (model / "code").mkdir(parents=True)
    (model / "weights.bin").write_bytes(b"\0\1")
    (model / "code/inference.py").write_text("pass")
    (model / "latest").symlink_to("weights.bin")
    assert pack([model], tmp_path / "model.tar.gz") == []
    with tarfile.open(tmp_path / "model.tar.gz") as archive:
        assert archive.getnames() == ["code", "code/inference.py", "latest", "weights.bin"]
    (tmp_path / "out").mkdir()
    unpack(tmp_path / "model.tar.gz", tmp_path / "out")
    assert (tmp_path / "out/weights.bin").read_bytes() == b"\0\1"
    assert (tmp_path / "out/code/inference.py").read_text() == "pass"
    assert (tmp_path / "out/latest").read_bytes() == b"\0\1"


def test_folders_of_several_hosts_become_one_archive(tmp_path):
    """Folders are joined; a file that two have is the first one's, and named."""
    for host, files in {"1": ("shared/a", "same"), "2": ("shared/b", "same", "own")}.items():
        for name in files:
            path = tmp_path / host / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{name} of {host}")
    archive, out = tmp_path / "model.tar.gz", tmp_path / "out"
    assert pack([tmp_path / "1", tmp_path / "2"], archive) == ["same"]
    unpack(archive, out)
    found = {str(p.relative_to(out)): p.read_text() for p in out.rglob("*") if p.is_file()}
    assert found == {
        "shared/a": "shared/a of 1",
        "shared/b": "shared/b of 2",
        "same": "same of 1",
        "own": "own of 2",
    }


@pytest.mark.parametrize("name", ["../outside", "/outside", "in/../../outside"])
def test_a_member_that_would_land_elsewhere_is_refused(tmp_path, name):
    """And nothing is written there."""
    (tmp_path / "a.tar.gz").write_bytes(tar_gz({name: b"x"}))
    (tmp_path / "out").mkdir()
    with pytest.raises(ArtifactError, match="outside"):
        unpack(tmp_path / "a.tar.gz", tmp_path / "out")
    assert not (tmp_path / "outside").exists()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_are_refused(tmp_path, kind):
    """A later member could be written through a link."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        link = tarfile.TarInfo("link")
        link.type, link.linkname = kind, "/etc"
        archive.addfile(link)
    (tmp_path / "a.tar.gz").write_bytes(buffer.getvalue())
    with pytest.raises(ArtifactError, match="'link'"):
        unpack(tmp_path / "a.tar.gz", tmp_path)


@pytest.mark.parametrize("content", [b"", b"not an archive", tar_gz({"a": b"x" * 9999})[:-40]])
def test_what_is_not_a_whole_archive_is_an_artifact_error(tmp_path, content):
    """Empty, of another kind, or cut short."""
    (tmp_path / "a.tar.gz").write_bytes(content)
    with pytest.raises(ArtifactError, match=r"a\.tar\.gz"):
        unpack(tmp_path / "a.tar.gz", tmp_path)


def test_limits_are_checked_before_a_member_is_written(tmp_path, monkeypatch):
    """An archive that says it is larger than allowed writes nothing."""
    monkeypatch.setattr(artifacts, "MAX_BYTES", 5)
    (tmp_path / "a.tar.gz").write_bytes(tar_gz({"six": b"123456"}))
    with pytest.raises(ArtifactError, match="5 bytes"):
        unpack(tmp_path / "a.tar.gz", tmp_path)
    assert not (tmp_path / "six").exists()
