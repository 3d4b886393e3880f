"""Shards: the same records in several files, with a manifest; records of several labels."""

import hashlib
import json

import pytest

from recordio_prep import prepare, read_records
from recordio_prep.sources.listing import Listing


def rows(folder, name):
    """A list's rows."""
    return (folder / f"{name}.lst").read_text().splitlines()


def test_shards_together_are_the_records_in_one_file(two_classes, tmp_path):
    """In the same order, every shard with its own index and list."""
    prepare(two_classes, tmp_path / "one", size=8)
    prepare(two_classes, tmp_path / "many", size=8, shard_size=5)
    names = sorted(path.stem for path in (tmp_path / "many").glob("*.rec"))
    assert names == [
        "train_00000",
        "train_00001",
        "train_00002",
        "validation_00000",
        "validation_00001",
    ]
    for split in ("train", "validation"):
        shards = [name for name in names if name.startswith(split)]
        records = [
            record for name in shards for record in read_records(tmp_path / "many" / f"{name}.rec")
        ]
        assert records == list(read_records(tmp_path / "one" / f"{split}.rec"))
        lists = [row for name in shards for row in rows(tmp_path / "many", name)]
        assert lists == rows(tmp_path / "one", split)


def test_the_manifest_vouches_for_every_shard(two_classes, tmp_path):
    """Number of records, bytes, and SHA-256 of each, in order."""
    out = tmp_path / "out"
    prepare(two_classes, out, size=8, shard_size=6)
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["format"] == 1
    for shard in manifest["shards"]:
        data = (out / f"{shard['name']}.rec").read_bytes()
        assert shard["sha256"] == hashlib.sha256(data).hexdigest()
        assert shard["bytes"] == len(data)
        assert shard["records"] == len(rows(out, shard["name"]))
    assert [shard["split"] for shard in manifest["shards"]] == ["train"] * 3 + ["validation"]


@pytest.mark.parametrize(("first", "then"), [(None, 6), (6, None), (3, 6)])
def test_files_of_a_former_number_of_shards_are_gone(two_classes, tmp_path, first, then):
    """Whoever lists the folder would read them too."""
    prepare(two_classes, tmp_path / "out", size=8, shard_size=first)
    prepare(two_classes, tmp_path / "out", size=8, shard_size=then)
    prepare(two_classes, tmp_path / "fresh", size=8, shard_size=then)
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {path.name for path in (tmp_path / "fresh").iterdir()}


def test_a_photo_of_several_categories_has_a_label_for_each_class(two_classes, tmp_path):
    """Zero or one, in class order, in the record and in the list."""
    paths = sorted(path.relative_to(two_classes) for path in two_classes.glob("*/*.png"))
    labels = [(n % 2, n % 3 == 0, 0 if n else 1) for n in range(len(paths))]
    lines = [
        "\t".join([str(n), *(str(int(flag)) for flag in flags), str(path)])
        for n, (flags, path) in enumerate(zip(labels, paths, strict=True))
    ]
    (tmp_path / "all.lst").write_text("\n".join(lines) + "\n")
    source = Listing.opened(tmp_path / "all.lst", two_classes, names=("a", "b", "c"))
    dataset = prepare(source, tmp_path / "out", size=8, train_ratio=1.0)
    assert dataset.multi_label
    assert dataset.splits["train"].photos == 20
    assert dataset.splits["train"].by_class == {"a": 10, "b": 7, "c": 1}
    expected = {
        str(path): tuple(map(float, flags)) for path, flags in zip(paths, labels, strict=True)
    }
    records = list(read_records(tmp_path / "out" / "train.rec"))
    for (header, _), row in zip(records, rows(tmp_path / "out", "train"), strict=True):
        number, *columns, path = row.split("\t")
        assert (header.index, header.labels) == (int(number), expected[path])
        assert tuple(map(float, columns)) == expected[path]
