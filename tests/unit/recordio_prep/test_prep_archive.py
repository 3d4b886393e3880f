"""Archives: unpacked whole or not at all, into their folder only, and nothing is lost unsaid."""

import bz2
import gzip
import io
import lzma
import os
import resource
import stat
import struct
import tarfile
import zipfile

import numpy as np
import pytest

from contracts import DatasetError
from recordio_prep.sources import archive as archive_module
from recordio_prep.sources.archive import extract, refused
from recordio_prep.sources.archive_members import Member
from recordio_prep.sources.unpacking import Limits, Unpacker

PHOTOS = {"photos/cat/1.png": b"cat 1", "photos/cat/deep/2.png": b"cat 2", "photos/dog/1.png": b"d"}
COMPRESSIONS = {
    "tar": lambda data: data,
    "tar.gz": gzip.compress,
    "tar.bz2": bz2.compress,
    "tar.xz": lzma.compress,
}


def zipped(path, members, *, compression=zipfile.ZIP_DEFLATED):
    """A zip of (name or ZipInfo, content) pairs, or of a mapping."""
    pairs = members.items() if isinstance(members, dict) else members
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, content in pairs:
            file.writestr(name, content)
    return path


def tar_bytes(members, *, kind=tarfile.GNU_FORMAT):
    """A tar of (name or TarInfo, content) pairs, or of a mapping."""
    pairs = members.items() if isinstance(members, dict) else members
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=kind, errors="surrogateescape") as file:
        for name, content in pairs:
            entry = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            entry.size = len(content)
            file.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def special(name, kind, target=""):
    """A tar header of a link, a device or a pipe."""
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = kind, target
    return entry


def tarred(path, members, **options):
    """A plain tar in a file."""
    path.write_bytes(tar_bytes(members, **options))
    return path


def files(folder):
    """Content by path of every file below a folder."""
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def reasons(into):
    """Why members were left out, by path."""
    return {entry.path: entry.reason for entry in refused(into)}


def assert_nothing_is_left(into):
    """No file, finished or not, but for the lock."""
    assert [name for name in files(into) if name != ".lock"] == []


# --- What comes out -------------------------------------------------------------------------------
def test_a_zip_gives_its_category_folders(tmp_path):
    """The folder that wraps the category folders is passed over."""
    folder = extract(zipped(tmp_path / "photos.zip", PHOTOS), tmp_path / "into")
    assert folder.name == "photos"
    assert files(folder) == {
        "cat/1.png": b"cat 1",
        "cat/deep/2.png": b"cat 2",
        "dog/1.png": b"d",
    }
    assert refused(tmp_path / "into") == ()


@pytest.mark.parametrize("suffix", COMPRESSIONS)
def test_the_content_tells_the_format(tmp_path, suffix):
    """A name without an extension, or with another's, is no matter."""
    file = tmp_path / "download.zip"
    file.write_bytes(COMPRESSIONS[suffix](tar_bytes(PHOTOS)))
    assert sorted(files(extract(file, tmp_path / "into"))) == [
        "cat/1.png",
        "cat/deep/2.png",
        "dog/1.png",
    ]


def test_an_old_tar_without_a_signature_is_known(tmp_path):
    """The seventh edition's tar has a checksum only."""
    data = bytearray(tar_bytes({"cat/1.png": b"x"}))
    data[257:265] = bytes(8)
    data[148:156] = b" " * 8
    data[148:156] = f"{sum(data[:512]):06o}\0 ".encode()
    (tmp_path / "old").write_bytes(data)
    assert files(extract(tmp_path / "old", tmp_path / "into")) == {"cat/1.png": b"x"}


@pytest.mark.parametrize(
    ("names", "wrapper"),
    [
        (["cat/1.png", "dog/1.png"], ""),
        (["p/cat/1.png", "p/dog/1.png"], "p"),
        (["home/me/p/cat/1.png", "home/me/p/dog/1.png"], "home/me/p"),
        (["p/cat/1.png", "p/dog/1.png", "p/README.txt"], "p"),
        (["p/labels.csv", "p/images/1.png"], "p"),
        (["p/cat/1.png", "p/dog/1.png", ".DS_Store", "__MACOSX/p/cat/._1.png"], "p"),
        (["p/cat/1.png", "labels.csv"], ""),
        (["cat/1.png"], ""),
        (["p/cat/1.png"], "p"),
        (["cat/1.png", "cat/more/2.png"], ""),
        (["./p/cat/1.png", "./p/dog/1.png"], "p"),
    ],
)
def test_a_wrapper_holds_folders_and_no_photo(tmp_path, names, wrapper):
    """Alone at the top, with folders in it and no photo beside them."""
    archive = tarred(tmp_path / "a.tar", dict.fromkeys(names, b"x"))
    folder = extract(archive, tmp_path / "into")
    top = tmp_path / "into" / "unpacked" / "content"
    assert folder == top / wrapper


def test_a_photo_without_an_extension_makes_its_folder_a_category(tmp_path):
    """The first bytes say what it is, as they do in category folders."""
    signature = b"\x89PNG\r\n\x1a\n"
    archive = zipped(tmp_path / "a.zip", {"cat/download": signature, "cat/more/2.png": b"x"})
    assert sorted(files(extract(archive, tmp_path / "into"))) == ["cat/download", "cat/more/2.png"]


def test_archives_inside_are_not_opened(tmp_path):
    """They stay files, which the category folder's reader then lists."""
    inner = zipped(tmp_path / "inner.zip", PHOTOS).read_bytes()
    archive = zipped(tmp_path / "a.zip", {"cat/1.png": b"x", "cat/inner.zip": inner})
    assert files(extract(archive, tmp_path / "into"))["cat/inner.zip"] == inner


def test_permissions_of_the_archive_are_not_applied(tmp_path):
    """A set-uid bit or a folder that nobody may enter does not get out of the archive."""
    photo, folder = tarfile.TarInfo("cat/1.png"), tarfile.TarInfo("cat")
    photo.mode, folder.mode, folder.type = 0o6777, 0, tarfile.DIRTYPE
    archive = tarred(tmp_path / "a.tar", [(folder, b""), (photo, b"x")])
    content = extract(archive, tmp_path / "into")
    mode = stat.S_IMODE((content / "cat" / "1.png").stat().st_mode)
    assert mode & 0o7111 == 0
    assert os.access(content / "cat", os.X_OK)


# --- Names and kinds that are left out ------------------------------------------------------------
@pytest.mark.parametrize(
    "name", ["/etc/x.png", "../x.png", "cat/../../x.png", "C:/x.png", "c:x.png"]
)
@pytest.mark.parametrize("pack", [zipped, tarred])
def test_no_name_leads_outside(tmp_path, name, pack):
    """Absolute names, `..` and drive letters are listed as photos that are not packed."""
    archive = pack(tmp_path / "a", [("cat/1.png", b"x"), (name, b"evil")])
    folder = extract(archive, tmp_path / "deep" / "into")
    assert files(folder) == {"cat/1.png": b"x"}
    (entry,) = refused(tmp_path / "deep" / "into")
    assert (entry.path, entry.reason, entry.photo) == (name, "leads outside the archive", True)
    assert not list(tmp_path.rglob("x.png"))


def test_backslashes_in_a_zip_separate_folders(tmp_path):
    """Some Windows programs write them; they open no way out."""
    archive = zipped(
        tmp_path / "a.zip", [("cat\\1.png", b"x"), ("..\\..\\evil.png", b"x"), ("dog\\1.png", b"x")]
    )
    assert sorted(files(extract(archive, tmp_path / "into"))) == ["cat/1.png", "dog/1.png"]
    assert reasons(tmp_path / "into") == {"../../evil.png": "leads outside the archive"}


def test_links_devices_and_pipes_of_a_tar_are_left_out(tmp_path):
    """A link first and a file through it afterwards does not get out either."""
    outside = tmp_path / "outside"
    outside.mkdir()
    archive = tarred(
        tmp_path / "a.tar",
        [
            ("cat/1.png", b"x"),
            (special("cat/out", tarfile.SYMTYPE, str(outside)), b""),
            ("cat/out/2.png", b"y"),
            (special("cat/3.png", tarfile.LNKTYPE, "cat/1.png"), b""),
            (special("cat/null.png", tarfile.CHRTYPE), b""),
            (special("cat/disk", tarfile.BLKTYPE), b""),
            (special("cat/pipe", tarfile.FIFOTYPE), b""),
        ],
    )
    content = extract(archive, tmp_path / "into")
    assert files(content) == {"cat/1.png": b"x", "cat/out/2.png": b"y"}
    assert list(outside.iterdir()) == []
    assert reasons(tmp_path / "into") == {
        "cat/out": "a link; `tar -h` packs what it leads to",
        "cat/3.png": "a hard link; `tar --hard-dereference` packs the file itself",
        "cat/null.png": "a device or a pipe",
        "cat/disk": "a device or a pipe",
        "cat/pipe": "a device or a pipe",
    }
    assert {entry.path for entry in refused(tmp_path / "into") if entry.photo} == {
        "cat/3.png",
        "cat/null.png",
    }


def test_links_and_devices_of_a_zip_are_left_out(tmp_path):
    """A zip keeps them as files with a Unix mode."""
    link, device = zipfile.ZipInfo("cat/link.png"), zipfile.ZipInfo("cat/tty")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    device.external_attr = (stat.S_IFCHR | 0o666) << 16
    archive = zipped(tmp_path / "a.zip", [("cat/1.png", b"x"), (link, b"/etc"), (device, b"")])
    assert files(extract(archive, tmp_path / "into")) == {"cat/1.png": b"x"}
    assert reasons(tmp_path / "into") == {
        "cat/link.png": "a link; `tar -h` packs what it leads to",
        "cat/tty": "a device or a pipe",
    }


@pytest.mark.parametrize("pack", [zipped, tarred])
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_of_two_members_with_one_name_the_first_stays(tmp_path, pack):
    """Nothing that was written is written over."""
    archive = pack(
        tmp_path / "a", [("cat/1.png", b"1"), ("cat/1.png", b"2"), ("./cat/1.png", b"3")]
    )
    assert files(extract(archive, tmp_path / "into")) == {"cat/1.png": b"1"}
    why = "the archive holds this name already"
    assert reasons(tmp_path / "into") == {"cat/1.png": why, "./cat/1.png": why}


def test_a_name_is_a_file_or_a_folder_not_both(tmp_path):
    """What comes second is left out."""
    archive = tarred(
        tmp_path / "a.tar",
        [
            ("cat/1.png", b"x"),
            ("cat/1.png/2.png", b"x"),
            ("cat", b"x"),
            (special("cat/1.png", tarfile.DIRTYPE), b""),
        ],
    )
    assert files(extract(archive, tmp_path / "into")) == {"cat/1.png": b"x"}
    assert set(reasons(tmp_path / "into")) == {"cat/1.png/2.png", "cat", "cat/1.png"}


def test_names_that_differ_in_case_only_are_two(tmp_path):
    """As they are in a category folder on Linux; where a file system merges them, see above."""
    names = ["cat/A.PNG", "cat/a.png"]
    content = extract(zipped(tmp_path / "a.zip", dict.fromkeys(names, b"x")), tmp_path / "into")
    kept = set(files(content)) | set(reasons(tmp_path / "into"))
    assert kept == set(names)


@pytest.mark.parametrize(
    ("name", "listed", "reason"),
    [
        ("cat/\x1b[2J.png", "cat/\\x1b[2J.png", "a name with control characters"),
        ("cat/a\nb.png", "cat/a\\nb.png", "a name with control characters"),
        ("cat/latin\udce9.png", "cat/latin\\xe9.png", "a name that is not UTF-8"),
        ("cat/" + "x" * 300 + ".png", "cat/" + "x" * 300 + ".png", "a name that is too long"),
        ("a/" * 70 + "x.png", "a/" * 70 + "x.png", "a name that is too long"),
        (
            ("y" * 250 + "/") * 5 + "x.png",
            ("y" * 250 + "/") * 5 + "x.png",
            "a name that is too long",
        ),
    ],
)
def test_names_that_cannot_be_kept_are_listed_escaped(tmp_path, name, listed, reason):
    """Control characters, bytes that are not UTF-8 and names above the file system's limits."""
    archive = tarred(tmp_path / "a.tar", [("cat/1.png", b"x"), (name, b"y")])
    assert files(extract(archive, tmp_path / "into")) == {"cat/1.png": b"x"}
    (entry,) = refused(tmp_path / "into")
    assert (entry.path, entry.reason, entry.photo) == (listed, reason, True)


def test_a_zip_name_in_utf8_that_does_not_say_so_is_read_as_that(tmp_path):
    """Else categories bear garbled names; what is no UTF-8 is code page 437, the format's own."""
    archive = tmp_path / "a.zip"
    zipped(archive, {"caXX/1.png": b"x", "caYY/1.png": b"x"})
    data = archive.read_bytes().replace(b"caXX", "caé".encode()).replace(b"caYY", b"ca\x82\x82")
    archive.write_bytes(data)
    assert sorted(files(extract(archive, tmp_path / "into"))) == ["caé/1.png", "caéé/1.png"]


def test_what_macos_adds_is_listed_once(tmp_path):
    """Its notes on a thousand photos are one line, and no category."""
    notes = {f"__MACOSX/cat/._{n}.png": b"x" for n in range(5)}
    extract(zipped(tmp_path / "a.zip", {**PHOTOS, **notes}), tmp_path / "into")
    (entry,) = refused(tmp_path / "into")
    assert (entry.path, entry.photo) == ("__MACOSX", False)


def test_a_second_archive_after_the_end_is_told(tmp_path):
    """`cat a.tar b.tar` makes what most programs read the first half of."""
    archive = tmp_path / "a.tar"
    archive.write_bytes(tar_bytes({"cat/1.png": b"x"}) + tar_bytes({"dog/1.png": b"x"}))
    assert files(extract(archive, tmp_path / "into")) == {"cat/1.png": b"x"}
    (entry,) = refused(tmp_path / "into")
    assert (entry.path, entry.photo) == ("(after the end of the archive)", True)


def test_what_is_left_out_is_said(tmp_path, caplog):
    """A warning gives the count and the first."""
    extract(zipped(tmp_path / "a.zip", {"cat/1.png": b"x", "../2.png": b"x"}), tmp_path / "into")
    assert "left out 1 members, the first: ../2.png: leads outside" in caplog.text


# --- Bombs ----------------------------------------------------------------------------------------
def test_too_many_members_are_refused(tmp_path):
    """Links and folders count as well."""
    archive = tarred(tmp_path / "a.tar", dict.fromkeys(map(str, range(9)), b"x"))
    with pytest.raises(DatasetError, match="more than 8 files and folders"):
        extract(archive, tmp_path / "into", limits=Limits(members=8))
    assert_nothing_is_left(tmp_path / "into")


@pytest.mark.parametrize("limits", [Limits(unpacked_bytes=50_000), Limits(ratio=20, ratio_from=1)])
@pytest.mark.parametrize("form", ["zip", "tar.gz", "tar.xz"])
def test_a_bomb_is_refused(tmp_path, form, limits):
    """By its size unpacked, or by that in proportion to its own."""
    members = {f"cat/{n}.png": bytes(20_000) for n in range(5)}
    archive = tmp_path / "bomb"
    if form == "zip":
        zipped(archive, members)
    else:
        archive.write_bytes(COMPRESSIONS[form](tar_bytes(members)))
    with pytest.raises(DatasetError, match=r"unpacks to more than [\d,]+ bytes") as refusal:
        extract(archive, tmp_path / "into", limits=limits)
    assert "bomb" in refusal.value.hint
    assert_nothing_is_left(tmp_path / "into")


def test_limits_hold_whatever_a_header_says(tmp_path):
    """The bytes that come are counted, not those that were promised."""
    (tmp_path / "archive").write_bytes(b"")
    (tmp_path / "target").mkdir()
    written = []

    def chunks():
        for _ in range(1000):
            written.append(1)
            yield bytes(1000)

    limits = Limits(unpacked_bytes=5000)
    unpacker = Unpacker(tmp_path / "archive", tmp_path / "target", limits, lambda: None)
    with pytest.raises(DatasetError, match="more than 5,000 bytes"):
        unpacker.unpack(Member("a.png", "file", 10, chunks))
    assert len(written) == 6


def test_a_zip_that_lies_about_a_size_is_damaged(tmp_path):
    """No more than what it promised is ever taken out of it."""
    archive = zipped(tmp_path / "a.zip", {"cat/1.png": bytes(1_000_000)})
    lie = archive.read_bytes().replace(struct.pack("<L", 1_000_000), struct.pack("<L", 10))
    archive.write_bytes(lie)
    with pytest.raises(DatasetError, match=r"damaged in cat/1\.png"):
        extract(archive, tmp_path / "into")
    assert_nothing_is_left(tmp_path / "into")


@pytest.mark.parametrize("size", [-512, 1 << 32])
def test_a_tar_header_that_would_fill_the_memory_is_damage(tmp_path, size):
    """Python's tarfile reads a long name into memory at whatever size it is said to have."""
    data = bytearray(tar_bytes({"x" * 200: b"y"}))
    assert data[156:157] == tarfile.GNUTYPE_LONGNAME
    data[124:136] = tarfile.itn(size, 12, tarfile.GNU_FORMAT)
    data[148:156] = b" " * 8
    data[148:156] = f"{sum(data[:512]):06o}\0 ".encode()
    (tmp_path / "a.tar").write_bytes(data)
    with pytest.raises(DatasetError, match=r"damaged .*a header of"):
        extract(tmp_path / "a.tar", tmp_path / "into")


# --- Damage, encryption, other formats ------------------------------------------------------------
@pytest.mark.parametrize("part", [0.3, 0.6, 0.95])
@pytest.mark.parametrize("form", ["zip", *COMPRESSIONS])
def test_a_truncated_archive_leaves_nothing(tmp_path, form, part):
    """The message gives the place, the hint how to see for oneself."""
    noise = np.random.default_rng(0)
    members = {f"cat/{n}.png": noise.bytes(3000) for n in range(12)}
    archive = tmp_path / f"a.{form}"
    if form == "zip":
        zipped(archive, members)
    else:
        archive.write_bytes(COMPRESSIONS[form](tar_bytes(members)))
    os.truncate(archive, int(archive.stat().st_size * part))
    if form == "tar" and part == 0.95:
        os.truncate(archive, 12 * (512 + 3072))  # at the end of a member, before the end mark
    with pytest.raises(DatasetError, match=r"a\.\S+: damaged .*at byte [\d,]+") as refusal:
        extract(archive, tmp_path / "into")
    assert "download it again" in refusal.value.hint
    assert_nothing_is_left(tmp_path / "into")


@pytest.mark.parametrize("form", ["zip", "tar.gz"])
def test_a_flipped_byte_is_found_by_the_checksum(tmp_path, form):
    """The last checksum of a tar.gz stands behind the last member."""
    content = np.random.default_rng(0).bytes(50_000)
    archive = tmp_path / "a"
    if form == "zip":
        zipped(archive, {"cat/1.png": content}, compression=zipfile.ZIP_STORED)
    else:
        archive.write_bytes(gzip.compress(tar_bytes({"cat/1.png": content}), 0))
    data = bytearray(archive.read_bytes())
    data[25_000] ^= 1
    archive.write_bytes(data)
    with pytest.raises(DatasetError, match="CRC"):
        extract(archive, tmp_path / "into")
    assert_nothing_is_left(tmp_path / "into")


def test_a_broken_header_is_not_the_end_of_a_tar(tmp_path):
    """Python's tarfile would stop there and say nothing."""
    data = bytearray(tar_bytes({"cat/1.png": b"x", "cat/2.png": b"y", "cat/3.png": b"z"}))
    data[1024:1034] = b"??????????"
    (tmp_path / "a.tar").write_bytes(data)
    with pytest.raises(DatasetError, match="bad checksum, expected a tar header"):
        extract(tmp_path / "a.tar", tmp_path / "into")


@pytest.mark.parametrize("form", ["zip", *COMPRESSIONS])
def test_random_damage_never_shows_a_traceback(tmp_path, form):
    """Whatever bytes are changed: files come out, or a DatasetError with its mend."""
    members = {f"cat/{n}.png": b"some words " * 40 for n in range(4)} | {"cat/" + "n" * 120: b"x"}
    archive = tmp_path / "a"
    if form == "zip":
        zipped(archive, members)
    else:
        archive.write_bytes(COMPRESSIONS[form](tar_bytes(members, kind=tarfile.PAX_FORMAT)))
    whole = archive.read_bytes()
    noise = np.random.default_rng(len(form))
    hints = []
    for turn in range(60):
        damaged = bytearray(whole)
        for _ in range(noise.integers(1, 5)):
            damaged[noise.integers(len(damaged))] = noise.choice([0, 255, noise.integers(256)])
        archive.write_bytes(damaged)
        try:
            extract(archive, tmp_path / str(turn))
        except DatasetError as error:
            hints.append(error.hint)
    assert hints
    assert all(hints)


def test_an_encrypted_zip_is_refused_with_the_mend(tmp_path):
    """Before anything is unpacked."""
    archive = zipped(tmp_path / "a.zip", {"cat/1.png": b"x", "cat/2.png": b"x"})
    data = bytearray(archive.read_bytes())
    data[data.rindex(b"PK\x01\x02") + 8] |= 1
    archive.write_bytes(data)
    with pytest.raises(DatasetError, match=r"cat/2\.png is encrypted") as refusal:
        extract(archive, tmp_path / "into")
    assert "7z x" in refusal.value.hint


def test_a_zip_method_that_python_lacks_is_named(tmp_path):
    """Windows compresses large files by deflate64."""
    archive = zipped(tmp_path / "a.zip", {"cat/1.png": b"x"})
    data = bytearray(archive.read_bytes())
    data[data.rindex(b"PK\x01\x02") + 10] = 9
    archive.write_bytes(data)
    with pytest.raises(DatasetError, match="deflate64"):
        extract(archive, tmp_path / "into")


@pytest.mark.parametrize(
    ("start", "said"),
    [
        (b"\x28\xb5\x2f\xfd", "zstd, expected one of zip, tar"),
        (b"7z\xbc\xaf\x27\x1c", "7z, expected"),
        (b"Rar!\x1a\x07\x01", "RAR, expected"),
        (b"hello", "not an archive, expected"),
        (b"", "not an archive, expected"),
    ],
)
def test_other_formats_are_named(tmp_path, start, said):
    """With what unpacks them."""
    (tmp_path / "a.zip").write_bytes(start + b" and more" if start else b"")
    with pytest.raises(DatasetError, match=said) as refusal:
        extract(tmp_path / "a.zip", tmp_path / "into")
    assert refusal.value.hint


def test_the_last_part_of_a_split_zip_is_told(tmp_path):
    """It has the directory, but not the beginning."""
    archive = zipped(tmp_path / "a.zip", PHOTOS)
    archive.write_bytes(archive.read_bytes()[20:])
    with pytest.raises(DatasetError, match="a part of a zip") as refusal:
        extract(archive, tmp_path / "into")
    assert "zip -s 0" in refusal.value.hint


def test_a_gzip_that_holds_no_tar_is_told(tmp_path):
    """A single compressed file is no archive."""
    (tmp_path / "a.gz").write_bytes(gzip.compress(b"words" * 500))
    with pytest.raises(DatasetError, match="expected a tar header"):
        extract(tmp_path / "a.gz", tmp_path / "into")


@pytest.mark.parametrize("members", [{}, {"../1.png": b"x"}])
def test_an_archive_without_a_usable_file_is_refused(tmp_path, members):
    """Rather than an empty folder."""
    with pytest.raises(DatasetError, match=f"no file to unpack, {len(members)} left out"):
        extract(zipped(tmp_path / "a.zip", members), tmp_path / "into")
    assert_nothing_is_left(tmp_path / "into")


def test_a_missing_archive_is_told(tmp_path):
    """By its path and the system's reason."""
    with pytest.raises(DatasetError, match=r"gone\.zip: No such file"):
        extract(tmp_path / "gone.zip", tmp_path / "into")


# --- The disk -------------------------------------------------------------------------------------
def test_no_space_is_told_before_anything_is_written(tmp_path, monkeypatch):
    """A zip says how much it takes."""
    archive = zipped(tmp_path / "a.zip", {"cat/1.png": bytes(1000)})
    free = archive_module.shutil.disk_usage(tmp_path)._replace(free=999)
    monkeypatch.setattr(archive_module.shutil, "disk_usage", lambda _: free)
    with pytest.raises(DatasetError, match=r"unpacks to 1,000 bytes, and 999 are free in .*into"):
        extract(archive, tmp_path / "into")
    assert_nothing_is_left(tmp_path / "into")


def test_a_disk_that_takes_no_more_leaves_nothing(tmp_path):
    """The system's own refusal in the middle of a file, here by the limit of a file's size."""
    archive = zipped(tmp_path / "a.zip", {"cat/1.png": b"x", "cat/2.png": bytes(200_000)})
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(DatasetError, match="File too large") as refusal:
            extract(archive, tmp_path / "into")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "space" in refusal.value.hint
    assert_nothing_is_left(tmp_path / "into")


# --- A second time --------------------------------------------------------------------------------
def test_the_same_archive_is_unpacked_once(tmp_path):
    """What is there is kept, with the list of what was left out."""
    archive = zipped(tmp_path / "a.zip", {**PHOTOS, "../x.png": b"x"})
    first = extract(archive, tmp_path / "into")
    inode, left_out = first.stat().st_ino, refused(tmp_path / "into")
    assert extract(archive, tmp_path / "into") == first
    assert (first.stat().st_ino, refused(tmp_path / "into")) == (inode, left_out)


def test_an_archive_that_changed_replaces_what_was_there(tmp_path):
    """Nothing of the former content stays."""
    archive = zipped(tmp_path / "a.zip", PHOTOS)
    extract(archive, tmp_path / "into")
    zipped(archive, {"cat/9.png": b"new"})
    assert files(extract(archive, tmp_path / "into")) == {"cat/9.png": b"new"}


def test_a_damaged_successor_leaves_the_former_content(tmp_path):
    """It is replaced at the end only."""
    archive = zipped(tmp_path / "a.zip", PHOTOS)
    folder = extract(archive, tmp_path / "into")
    archive.write_bytes(archive.read_bytes()[:-40])
    with pytest.raises(DatasetError):
        extract(archive, tmp_path / "into")
    assert len(files(folder)) == 3


@pytest.mark.parametrize("harm", ["remove", "cut"])
def test_content_that_is_no_longer_whole_is_unpacked_again(tmp_path, harm):
    """A file that went or was cut since, by a power failure as well."""
    archive = zipped(tmp_path / "a.zip", PHOTOS)
    photo = extract(archive, tmp_path / "into") / "cat" / "1.png"
    if harm == "remove":
        photo.unlink()
    else:
        os.truncate(photo, 2)
    extract(archive, tmp_path / "into")
    assert photo.read_bytes() == b"cat 1"


def test_a_killed_run_is_begun_anew(tmp_path):
    """What it left is neither used nor kept."""
    archive = zipped(tmp_path / "a.zip", PHOTOS)
    half = tmp_path / "into" / ".staging" / "unpacked" / "content" / "photos"
    half.mkdir(parents=True)
    (half / "half.png").write_bytes(b"half")
    assert len(files(extract(archive, tmp_path / "into"))) == 3
    assert "half.png" not in str(files(tmp_path / "into"))


def test_a_folder_of_someone_else_is_not_touched(tmp_path):
    """Without the stamp it was never ours."""
    theirs = tmp_path / "into" / "unpacked" / "mine.txt"
    theirs.parent.mkdir(parents=True)
    theirs.write_text("mine")
    with pytest.raises(DatasetError, match="not a folder that an archive was unpacked into"):
        extract(zipped(tmp_path / "a.zip", PHOTOS), tmp_path / "into")
    assert theirs.read_text() == "mine"


def test_an_archive_that_changes_meanwhile_is_refused(tmp_path, monkeypatch):
    """A download that is not done yet."""
    archive = zipped(tmp_path / "a.zip", PHOTOS)
    write = Unpacker.unpack

    def unpack(self, member):
        write(self, member)
        os.utime(archive, ns=(1, 1))

    monkeypatch.setattr(Unpacker, "unpack", unpack)
    with pytest.raises(DatasetError, match="changed while it was read"):
        extract(archive, tmp_path / "into")
    assert_nothing_is_left(tmp_path / "into")


def test_nothing_has_been_refused_where_nothing_was_unpacked(tmp_path):
    """To ask for it is told as an error, not as an empty list."""
    with pytest.raises(DatasetError, match="no archive has been unpacked there"):
        refused(tmp_path)
