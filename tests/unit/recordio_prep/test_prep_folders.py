"""Folders: the top folder is the category, and nothing is passed over in silence."""

import os

import pytest

from contracts import MAX_PHOTO_BYTES, DatasetError
from recordio_prep import prepare
from recordio_prep.sources.folders import Folders
from recordio_prep.sources.source import LeftOut, Photo


def photos_in(folder):
    """The photos that are listed."""
    return [entry for entry in Folders(folder).entries() if isinstance(entry, Photo)]


def left_out_of(folder):
    """What is listed besides photos."""
    return [entry for entry in Folders(folder).entries() if isinstance(entry, LeftOut)]


def reasons(folder):
    """Why each left-out file was left out, by path."""
    return {entry.path: entry.reason for entry in left_out_of(folder)}


def test_the_top_folder_is_the_category_however_deep(tmp_path, make_photos):
    """A folder inside a category folder does not split the category."""
    make_photos(tmp_path, dict.fromkeys(["car/a.png", "car/images/x/b.png", "bike/c.png"]))
    assert sorted((photo.path, photo.categories) for photo in photos_in(tmp_path)) == [
        ("bike/c.png", ("bike",)),
        ("car/a.png", ("car",)),
        ("car/images/x/b.png", ("car",)),
    ]


def test_other_files_are_listed_with_reasons(two_classes):
    """Hidden files, notes and photos outside every category are each named."""
    (two_classes / "cat" / "notes.txt").write_text("P6 is not a picture")
    (two_classes / "cat" / ".hidden.png").write_bytes(b"")
    (two_classes / ".git").mkdir()
    (two_classes / ".git" / "x.png").write_bytes(b"")
    (two_classes / "loose.png").write_bytes(b"")
    os.mkfifo(two_classes / "dog" / "pipe.png")
    (two_classes / "dog" / "gone.png").symlink_to("nowhere")
    assert len(photos_in(two_classes)) == 20
    assert reasons(two_classes) == {
        ".git": "hidden",
        "cat/.hidden.png": "hidden",
        "cat/notes.txt": "not a photo",
        "dog/gone.png": "No such file or directory",
        "dog/pipe.png": "not a regular file",
        "loose.png": "lies beside the category folders",
    }
    assert {entry.path for entry in left_out_of(two_classes) if entry.photo} == {
        "dog/gone.png",
        "dog/pipe.png",
        "loose.png",
    }


def test_a_photo_is_known_by_its_bytes_if_not_by_its_name(two_classes):
    """Downloads without an extension are photos all the same."""
    (two_classes / "cat" / "00.png").rename(two_classes / "cat" / "download")
    assert "cat/download" in [photo.path for photo in photos_in(two_classes)]
    assert not left_out_of(two_classes)


def test_links_are_followed_but_not_in_circles(two_classes, tmp_path, make_photos):
    """A linked folder of photos counts; a link to a folder above itself is listed."""
    elsewhere = make_photos(tmp_path / "elsewhere", {"x.png": None})
    (two_classes / "cat" / "linked").symlink_to(elsewhere)
    (two_classes / "cat" / "up").symlink_to("..")
    assert "cat/linked/x.png" in [photo.path for photo in photos_in(two_classes)]
    assert len(photos_in(two_classes)) == 21
    assert reasons(two_classes) == {"cat/up": "a link to a folder above it"}


def test_a_folder_is_listed_once_in_a_category_however_many_links_lead_to_it(tmp_path, make_photos):
    """Else folders that link to each other are listed in every order there is."""
    names = [f"{n}" for n in range(7)]
    make_photos(tmp_path / "root", {f"cat/{name}/{name}.png": None for name in names})
    for name in names:
        for other in set(names) - {name}:
            (tmp_path / "root" / "cat" / name / f"to{other}").symlink_to(f"../{other}")
    photos = [photo.path for photo in photos_in(tmp_path / "root")]
    assert photos == [f"cat/{name}/{name}.png" for name in names]
    assert len(left_out_of(tmp_path / "root")) == 42
    assert not any(entry.photo for entry in left_out_of(tmp_path / "root"))
    assert (
        reasons(tmp_path / "root")["cat/3/to5"]
        == "a link to a folder that was listed already (cat/5)"
    )


def test_a_linked_folder_may_be_in_several_categories(two_classes, tmp_path, make_photos):
    """Whether its photos are the same in both is another question."""
    elsewhere = make_photos(tmp_path / "elsewhere", {"x.png": None})
    for path in ("cat/linked", "cat/z", "dog/linked", "twin"):
        (two_classes / path).symlink_to(elsewhere)
    paths = {photo.path for photo in photos_in(two_classes)}
    assert {path for path in paths if path.endswith("x.png")} == {
        "cat/linked/x.png",
        "dog/linked/x.png",
        "twin/x.png",
    }
    assert reasons(two_classes) == {
        "cat/z": "a link to a folder that was listed already (cat/linked)"
    }


@pytest.mark.parametrize(
    "name",
    [
        *(b"tab\there.png", b"line\nbreak.png", b"latin\xe9.png", b"\x1b[2J.png", b"unit\x1f.png"),
        *(b"rub\x7fout.png", b"\x01.png"),
    ],
)
def test_names_that_a_list_cannot_hold_are_listed_escaped(two_classes, name):
    """A tab, a line break or bytes that are not UTF-8 would break the `.lst` file."""
    photo = two_classes / "cat" / "00.png"
    photo.rename(photo.with_name(os.fsdecode(name)))
    (entry,) = left_out_of(two_classes)
    assert entry.reason == "a name that .lst cannot hold"
    assert "\\" in entry.path
    assert entry.path.encode().decode().isprintable()


def test_a_link_to_itself_is_listed(two_classes):
    """Neither a crash nor an endless walk."""
    (two_classes / "cat" / "self.png").symlink_to("self.png")
    (two_classes / "self").symlink_to("self")
    assert reasons(two_classes) == {
        "cat/self.png": "Too many levels of symbolic links",
        "self": "Too many levels of symbolic links",
    }


def test_a_photo_is_read_whole_but_no_further_than_a_photo_may_be(two_classes):
    """A file that is larger is refused by its size, without its bytes in memory."""
    name = "cat/00.png"
    assert Folders(two_classes).read(name) == (two_classes / name).read_bytes()
    with (two_classes / name).open("r+b") as file:
        file.truncate(MAX_PHOTO_BYTES + 1000)
    assert len(Folders(two_classes).read(name)) == MAX_PHOTO_BYTES + 1


def test_no_photos_at_all_is_told(tmp_path):
    """The message names the folder, the hint the layout and the formats."""
    (tmp_path / "photos").mkdir()
    with pytest.raises(DatasetError, match=f"Found 0 photos in {tmp_path}") as error:
        prepare(tmp_path / "photos", tmp_path / "out")
    assert "<category>" in error.value.hint
    assert "JPEG" in error.value.hint


def test_what_there_is_instead_of_photos_is_told(tmp_path):
    """It tells more than any guess: links that all fail, say."""
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.png").write_bytes(b"")
    message = r"Found 0 photos in .*, and 1 other things, the first: cat.png: lies beside the"
    with pytest.raises(DatasetError, match=message):
        prepare(tmp_path / "photos", tmp_path / "out")


def test_a_missing_folder_is_told(tmp_path):
    """Not an OSError."""
    with pytest.raises(DatasetError, match="absent: No such file"):
        prepare(tmp_path / "absent", tmp_path / "out")


def test_one_category_is_too_few(tmp_path, make_photos):
    """Nothing can be told apart with one."""
    photos = make_photos(tmp_path / "photos", {"cat/a.png": None})
    with pytest.raises(DatasetError, match=r"one category \(cat\), expected at least 2"):
        prepare(photos, tmp_path / "out")


def test_an_empty_category_is_named(two_classes, tmp_path):
    """A class that no photo trains would still be an answer."""
    (two_classes / "emu" / "sub").mkdir(parents=True)
    with pytest.raises(DatasetError, match="no photo in category emu"):
        prepare(two_classes, tmp_path / "out")


def test_a_further_folder_may_hold_fewer_categories_but_no_other(
    two_classes, tmp_path, make_photos
):
    """Validation photos of an unknown category have no label."""
    fewer = make_photos(tmp_path / "fewer", {"cat/a.png": None})
    (fewer / "dog").mkdir()
    assert prepare(two_classes, tmp_path / "out", test=fewer, size=8).splits["test"].photos == 1
    other = make_photos(tmp_path / "other", {"emu/a.png": None})
    with pytest.raises(DatasetError, match="unknown category emu, expected some of cat, dog"):
        prepare(two_classes, tmp_path / "out", validation=other)


def test_one_name_is_one_category_in_either_form_of_unicode(tmp_path, make_photos):
    """Accents come apart from macOS; paths stay as the file system has them."""
    make_photos(tmp_path, dict.fromkeys(["cafe\u0301/1.png", "caf\u00e9/2.png", "bar/1.png"]))
    assert [(photo.path, photo.categories) for photo in photos_in(tmp_path)] == [
        ("bar/1.png", ("bar",)),
        ("cafe\u0301/1.png", ("caf\u00e9",)),
        ("caf\u00e9/2.png", ("caf\u00e9",)),
    ]
