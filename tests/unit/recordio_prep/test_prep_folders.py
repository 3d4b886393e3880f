"""Folders: the top folder is the category, and nothing is passed over in silence."""

import os

import pytest

from contracts import DatasetError
from recordio_prep.folders import read_photo_folder


def reasons(folder):
    """Why each left-out file was left out, by path."""
    return {entry.path: entry.reason for entry in folder.left_out}


def test_the_top_folder_is_the_category_however_deep(tmp_path, make_photos):
    """A folder inside a category folder does not split the category."""
    make_photos(tmp_path, dict.fromkeys(["car/a.png", "car/images/x/b.png", "bike/c.png"]))
    folder = read_photo_folder(tmp_path)
    assert folder.categories == ("bike", "car")
    assert [(photo.path, photo.category) for photo in folder.photos] == [
        ("bike/c.png", "bike"),
        ("car/a.png", "car"),
        ("car/images/x/b.png", "car"),
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
    folder = read_photo_folder(two_classes)
    assert len(folder.photos) == 20
    assert reasons(folder) == {
        ".git": "hidden",
        "cat/.hidden.png": "hidden",
        "cat/notes.txt": "not a photo",
        "dog/gone.png": "No such file or directory",
        "dog/pipe.png": "not a regular file",
        "loose.png": "lies beside the category folders",
    }
    assert {entry.path for entry in folder.left_out if entry.photo} == {
        "dog/gone.png",
        "dog/pipe.png",
        "loose.png",
    }


def test_a_photo_is_known_by_its_bytes_if_not_by_its_name(two_classes):
    """Downloads without an extension are photos all the same."""
    (two_classes / "cat" / "00.png").rename(two_classes / "cat" / "download")
    folder = read_photo_folder(two_classes)
    assert "cat/download" in [photo.path for photo in folder.photos]
    assert not folder.left_out


def test_links_are_followed_but_not_in_circles(two_classes, tmp_path, make_photos):
    """A linked folder of photos counts; a link to a folder above itself is listed."""
    elsewhere = make_photos(tmp_path / "elsewhere", {"x.png": None})
    (two_classes / "cat" / "linked").symlink_to(elsewhere)
    (two_classes / "cat" / "up").symlink_to("..")
    folder = read_photo_folder(two_classes)
    assert "cat/linked/x.png" in [photo.path for photo in folder.photos]
    assert len(folder.photos) == 21
    assert reasons(folder) == {"cat/up": "a link to a folder above it"}


@pytest.mark.parametrize("name", [b"tab\there.png", b"line\nbreak.png", b"latin\xe9.png"])
def test_names_that_a_list_cannot_hold_are_listed_escaped(two_classes, name):
    """A tab, a line break or bytes that are not UTF-8 would break the `.lst` file."""
    photo = two_classes / "cat" / "00.png"
    photo.rename(photo.with_name(os.fsdecode(name)))
    folder = read_photo_folder(two_classes)
    (entry,) = folder.left_out
    assert entry.reason == "a name that .lst cannot hold"
    assert "\\" in entry.path
    assert entry.path.encode().decode().isprintable()


def test_a_link_to_itself_is_listed(two_classes):
    """Neither a crash nor an endless walk."""
    (two_classes / "cat" / "self.png").symlink_to("self.png")
    (two_classes / "self").symlink_to("self")
    assert reasons(read_photo_folder(two_classes)) == {
        "cat/self.png": "Too many levels of symbolic links",
        "self": "Too many levels of symbolic links",
    }


def test_no_photos_at_all_is_told(tmp_path):
    """The message names the folder, the hint the layout and the formats."""
    (tmp_path / "cat").mkdir()
    with pytest.raises(DatasetError, match=f"Found 0 photos in {tmp_path}") as error:
        read_photo_folder(tmp_path)
    assert "<category>" in error.value.hint
    assert "JPEG" in error.value.hint


def test_a_missing_folder_is_told(tmp_path):
    """Not an OSError."""
    with pytest.raises(DatasetError, match="absent: No such file"):
        read_photo_folder(tmp_path / "absent")


def test_one_category_is_too_few(tmp_path, make_photos):
    """Nothing can be told apart with one."""
    make_photos(tmp_path, {"cat/a.png": None})
    with pytest.raises(DatasetError, match=r"one category \(cat\), expected at least 2"):
        read_photo_folder(tmp_path)


def test_an_empty_category_is_named(two_classes):
    """A class that no photo trains would still be an answer."""
    (two_classes / "emu" / "sub").mkdir(parents=True)
    with pytest.raises(DatasetError, match="no photo in category emu"):
        read_photo_folder(two_classes)


def test_a_further_folder_may_hold_fewer_categories_but_no_other(tmp_path, make_photos):
    """Validation photos of an unknown category have no label."""
    make_photos(tmp_path, {"cat/a.png": None})
    assert read_photo_folder(tmp_path, known=("cat", "dog")).categories == ("cat",)
    with pytest.raises(DatasetError, match="unknown category cat, expected some of dog, emu"):
        read_photo_folder(tmp_path, known=("dog", "emu"))
