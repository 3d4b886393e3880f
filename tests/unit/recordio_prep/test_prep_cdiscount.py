"""Cdiscount's BSON: every photo with its product and category, and damage told with its offset."""

import multiprocessing
import struct
import tracemalloc
from concurrent.futures import ProcessPoolExecutor

import bson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts import DatasetError, PhotoError, SnapshelfError
from photo import prepare_photo
from recordio_prep.sources.cdiscount import MAX_DOCUMENT_BYTES, Cdiscount
from recordio_prep.sources.source import LeftOut, Photo

TABLE = "category_id,category_level1,category_level2,category_level3\n"


def product(number, category=1000, pictures=(b"jpeg",)):
    """A document as the competition has them."""
    images = [{"picture": picture} for picture in pictures]
    document = {"_id": number, "imgs": images}
    return bson.encode(document if category is None else document | {"category_id": category})


@pytest.fixture
def source(tmp_path):
    """A function that writes a file of these documents, and the source that reads it."""

    def write(*documents, table=None):
        (tmp_path / "train.bson").write_bytes(b"".join(documents))
        if table is None:
            return Cdiscount(tmp_path / "train.bson")
        (tmp_path / "names.csv").write_bytes(table if isinstance(table, bytes) else table.encode())
        return Cdiscount(tmp_path / "train.bson", tmp_path / "names.csv")

    return write


def left_out(source):
    """Why each document was left out, by path."""
    return {entry.path: entry.reason for entry in source.entries() if isinstance(entry, LeftOut)}


def test_a_photo_is_named_by_its_category_product_and_place(source):
    """And keeps its product, so that the split can hold a product together."""
    cdiscount = source(product(0, 1000, [b"first", b"second"]), product(7, 2000))
    photos = list(cdiscount.entries())
    assert [(photo.path, photo.categories, photo.product, photo.size) for photo in photos] == [
        ("1000/0-0.jpg", ("1000",), "0", 5),
        ("1000/0-1.jpg", ("1000",), "0", 6),
        ("2000/7-0.jpg", ("2000",), "7", 4),
    ]
    assert [cdiscount.read(photo.locator) for photo in photos] == [b"first", b"second", b"jpeg"]
    assert cdiscount.classes is None
    assert not cdiscount.multi_label
    assert cdiscount.tree == {}
    assert list(cdiscount.entries()) == photos


def test_large_ids_and_odd_binaries_are_taken_as_they_are(source):
    """MongoDB's 64-bit numbers and its other binary subtypes."""
    document = bson.encode(
        {
            "_id": bson.Int64(2**40),
            "category_id": bson.Int64(5),
            "imgs": [{"picture": bson.Binary(b"x", 128)}],
        }
    )
    cdiscount = source(document)
    (photo,) = cdiscount.entries()
    assert photo.path == "5/1099511627776-0.jpg"
    assert cdiscount.read(photo.locator) == b"x"
    assert type(cdiscount.read(photo.locator)) is bytes


def test_products_without_photos_or_numbers_are_left_out(source):
    """Each with its reason; the others stay."""
    cdiscount = source(
        product(1),
        product(-1),
        product("two"),
        product(number=True),
        product(3, -3),
        product(4, 0.5),
        product(5, pictures=[]),
        product(6, pictures=["text", b"jpeg"]),
        bson.encode({"_id": 7, "category_id": 1000, "imgs": {"picture": b"jpeg"}}),
        bson.encode({"_id": 8, "category_id": 1000, "imgs": [b"jpeg"]}),
        bson.encode({}),
    )
    entries = list(cdiscount.entries())
    assert [entry.path for entry in entries if isinstance(entry, Photo)] == [
        "1000/1-0.jpg",
        "1000/6-1.jpg",
    ]
    reasons = [entry.reason for entry in entries if isinstance(entry, LeftOut)]
    assert reasons == [
        "_id -1, expected a whole number from 0",
        "_id str, expected a whole number from 0",
        "_id True, expected a whole number from 0",
        "category_id -3, expected a whole number from 0",
        "category_id 0.5, expected a whole number from 0",
        "a product without photos",
        "no picture in it",
        "a product without photos",
        "no picture in it",
        "_id NoneType, expected a whole number from 0",
    ]
    assert all(entry.photo for entry in entries if isinstance(entry, LeftOut))


def test_a_document_damaged_inside_is_left_out_with_its_offset(source):
    """Its length still tells where the next begins."""
    first, damaged, last = product(1), bytearray(product(2)), product(3)
    damaged[4] = 0x7F
    damaged[-1] = 1
    cdiscount = source(first, bytes(damaged), last)
    paths = [entry.path for entry in cdiscount.entries()]
    assert paths == ["1000/1-0.jpg", f"train.bson@{len(first)}", "1000/3-0.jpg"]
    assert "not a BSON document" in left_out(cdiscount)[f"train.bson@{len(first)}"]


@pytest.mark.parametrize("kept", [1, 3, 4, 20])
def test_a_file_that_ends_early_says_how_much_is_missing(source, kept):
    """What stands before the end is read."""
    whole, cut = product(1), product(2)
    cdiscount = source(whole, cut[:kept])
    length = f"{len(cut):,}" if kept >= 4 else "5"
    assert left_out(cdiscount) == {
        f"train.bson@{len(whole)}": f"the file ends inside this document: {kept} of {length} bytes"
    }
    assert len(list(cdiscount.entries())) == 2


@pytest.mark.parametrize("length", [0, 4, -1, MAX_DOCUMENT_BYTES + 1, 2**31 - 1])
def test_a_damaged_length_is_an_error_with_its_offset(source, length):
    """Everything behind it is lost, which must not pass for a small loss."""
    first = product(1)
    cdiscount = source(first, struct.pack("<i", length), product(2))
    with pytest.raises(DatasetError, match=f"at byte {len(first)}: a document of {length:,} bytes"):
        list(cdiscount.entries())


def test_deep_nesting_is_left_out(source):
    """Not a crash of the interpreter."""
    depth = 100_000
    nested = bytearray()
    for level in range(depth, 0, -1):
        nested += struct.pack("<i", level * 8 + 5) + b"\x03a\0"
    nested += bson.encode({}) + bytes(depth)
    cdiscount = source(product(1), bytes(nested), product(2))
    assert len(left_out(cdiscount)) == 1
    assert len(list(cdiscount.entries())) == 3


def test_a_test_set_is_refused_with_the_mend(source):
    """Kaggle's test.bson has no category at all."""
    with pytest.raises(DatasetError, match="2 products, none with a category_id") as refused:
        list(source(product(1, None), product(2, None)).entries())
    assert "train.bson" in refused.value.hint


def test_a_product_without_a_category_among_others_is_left_out(source):
    """Also where it comes first."""
    cdiscount = source(product(1, None), product(2))
    assert left_out(cdiscount) == {"train.bson@0": "no category_id"}


def test_the_table_gives_a_category_its_levels(source):
    """Ids tell categories apart; names of a level may repeat, and further columns stand there."""
    table = "category_idx," + TABLE + '0,1000,A,B,"C, D"\n1,2000,A,B,"C, D"\n'
    cdiscount = source(product(1), product(2, 2000), table=table)
    assert cdiscount.tree == {"1000": ("A", "B", "C, D"), "2000": ("A", "B", "C, D")}
    assert len(list(cdiscount.entries())) == 2


def test_categories_that_the_table_lacks_are_named_together(source):
    """One error for all of them, so that one mend will do."""
    cdiscount = source(
        product(1, 3000),
        product(2),
        product(3, 2000),
        product(4, 3000),
        table=TABLE + "1000,A,B,C\n",
    )
    with pytest.raises(DatasetError, match="category 2000, 3000, expected those of the table"):
        list(cdiscount.entries())


def test_another_datasets_table_is_noticed_early(source):
    """A hundred unknown categories are enough: the rest of the file is not read."""
    documents = [product(n, 2000 + n) for n in range(150)]
    entries = source(*documents, table=TABLE + "1000,A,B,C\n").entries()
    seen = []
    with pytest.raises(DatasetError, match=r"2099 and more, expected"):
        seen.extend(entries)
    assert len(seen) == 100


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (b"", "no column category_id"),
        (b"category_id,category_level1,category_level3\n", "no column category_level2"),
        (TABLE.encode() + b"1000,A,B\n", "line 2: category 1000 lacks a level"),
        (TABLE.encode() + b"1000,A,,C\n", "line 2: category 1000 lacks a level"),
        (TABLE.encode() + b"x,A,B,C\n", "line 2: category_id 'x', no number"),
        (TABLE.encode() + b"1000,A,B,C\n1000,D,E,F\n", "line 3: category 1000 a second time"),
        (TABLE.encode() + b"1000,A,B,\xe9\n", "can't decode byte 0xe9"),
        (TABLE.encode() + b'1000,A,B,"C\n', "unexpected end of data"),
        (TABLE.encode() + b"1000,A,B," + b"C" * 200_000, "field larger than field limit"),
        (b"\0" * 16_000_001, "more than 16,000,000 bytes"),
    ],
)
def test_a_damaged_table_is_refused(source, table, message):
    """With the line, where there is one."""
    with pytest.raises(DatasetError, match=message) as refused:
        _ = source(product(1), table=table).tree
    assert "category_level1" in refused.value.hint


def test_a_table_that_is_not_there_is_refused(tmp_path):
    """With the system's reason."""
    with pytest.raises(DatasetError, match="No such file"):
        _ = Cdiscount(tmp_path / "train.bson", tmp_path / "none.csv").tree


def test_a_table_that_changed_is_read_again(source):
    """What is kept of it is no older than the file."""
    assert source(product(1), table=TABLE + "1000,A,B,C\n").tree == {"1000": ("A", "B", "C")}
    changed = source(product(1), table=TABLE + "1000,D,E,F\n")
    assert changed.tree == {"1000": ("D", "E", "F")}


def test_a_file_that_is_not_there_is_refused(tmp_path):
    """Before anything else."""
    with pytest.raises(DatasetError, match="No such file"):
        list(Cdiscount(tmp_path / "none.bson").entries())


def test_what_a_locator_promised_is_checked(source):
    """A file that was cut or replaced meanwhile gives no other photo's bytes."""
    cdiscount = source(product(1), product(2))
    first, second = (photo.locator for photo in cdiscount.entries())
    source(product(1, pictures=[b"another"]))
    for locator in (first, second):
        with pytest.raises(PhotoError, match="at byte"):
            cdiscount.read(locator)
    for locator in ("", "1:2", "a:b:c", "-1:9:0", "0:9:-1", f"{'9' * 30}:9:0", "0:999999999999:0"):
        with pytest.raises(PhotoError):
            cdiscount.read(locator)
    with pytest.raises(PhotoError, match="no picture 1"):
        source(product(1)).read(f"0:{len(product(1))}:1")


def test_workers_read_at_the_same_time(source):
    """Forked processes do not move each other's position in the file."""
    cdiscount = source(*(product(n, pictures=[b"%d" % n * 50]) for n in range(200)))
    photos = list(cdiscount.entries())
    cdiscount.read(photos[0].locator)  # opened here before the fork
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("fork")) as pool:
        read = list(pool.map(cdiscount.read, [photo.locator for photo in photos] * 5, chunksize=5))
    assert read == [b"%d" % n * 50 for n in range(200)] * 5


def test_memory_does_not_grow_with_the_file(source):
    """20,000 products take little more than one."""
    cdiscount = source(*(product(n, 1000 + n % 50, [bytes(300)]) for n in range(20_000)))
    tracemalloc.start()
    try:
        count = sum(1 for _ in cdiscount.entries())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert count == 20_000
    assert peak < 400_000


def drain(cdiscount):
    """Read all there is; whatever the bytes, only our own errors may leave it."""
    try:
        for entry in cdiscount.entries():
            if isinstance(entry, Photo):
                assert len(cdiscount.read(entry.locator)) == entry.size
    except SnapshelfError:
        pass


@settings(max_examples=150)
@given(data=st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(tmp_path_factory, data):
    """Whatever stands in the file, nothing but our own errors leaves the reader."""
    path = tmp_path_factory.getbasetemp() / "fuzzed.bson"
    path.write_bytes(data)
    drain(Cdiscount(path))


@settings(max_examples=200)
@given(data=st.data())
def test_any_damage_to_a_document_is_read_or_refused(tmp_path_factory, data):
    """Bytes changed in a good file, and nothing but our own errors."""
    whole = bytearray(product(1, 1000, [b"a", b"b"]) + product(2))
    for _ in range(data.draw(st.integers(1, 6))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "damaged.bson"
    path.write_bytes(bytes(whole[: data.draw(st.integers(0, len(whole)))]))
    drain(Cdiscount(path))


@pytest.mark.real_data
@pytest.mark.parametrize("table", ["category_names.csv", "categories_with_idx.csv"])
def test_the_competitions_own_example_is_read_whole(shared_data, table):
    """110 photos of 82 products in 36 categories, each in the tree, and each decodes."""
    folder = shared_data / "cdiscount"
    cdiscount = Cdiscount(folder / "train_example.bson", folder / table)
    photos = list(cdiscount.entries())
    assert all(isinstance(photo, Photo) for photo in photos)
    assert len({photo.path for photo in photos}) == len(photos) == 110
    assert len({photo.product for photo in photos}) == 82
    categories = {photo.categories[0] for photo in photos}
    assert len(categories) == 36
    assert len(cdiscount.tree) == 5270
    assert all(len(cdiscount.tree[category]) == 3 for category in categories)
    assert len({levels[0] for levels in cdiscount.tree.values()}) == 49
    for photo in photos:
        assert prepare_photo(cdiscount.read(photo.locator), 8).size == (8, 8)
