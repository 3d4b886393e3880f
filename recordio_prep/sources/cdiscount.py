"""Cdiscount's products: BSON documents one behind the other, each with a product's photos.

The format is that of Kaggle's "Cdiscount's Image Classification Challenge": documents
`{_id: int, imgs: [{picture: <JPEG bytes>}, ...], category_id: int}` (its test set lacks the
category), and a table of the category tree, `category_names.csv`.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO

import bson

from contracts import DatasetError, PhotoError
from recordio_prep.sources.category_table import read_category_table
from recordio_prep.sources.positioned import file_version, opened_file, positions, read_at
from recordio_prep.sources.source import ClassesThatOccur, LeftOut, Photo, SingleLabel, printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from recordio_prep.sources.source import Entry

MAX_DOCUMENT_BYTES = 16_777_216
"""MongoDB's own limit of a document (its manual, "MongoDB Limits and Thresholds")."""

_MIN_DOCUMENT_BYTES = 5
_LENGTH = struct.Struct("<i")
_NO_CATEGORY = "no category_id"
_MAX_UNKNOWN = 100


@dataclass(frozen=True, slots=True)
class Cdiscount(ClassesThatOccur, SingleLabel):
    """The photos of one file of products.

    A photo's path is `<category_id>/<_id>-<n>.jpg`, n from 0; its category is the category_id,
    its product the `_id`. That no `_id` occurs twice is not checked here: whoever keeps the entries
    has to hold the paths apart anyway, and a second list of 12 million would serve nothing else.

    Attributes:
        path: The file, train.bson or its like.
        table: The category tree as CSV (`recordio_prep.sources.category_table`), if it is at hand.
    """

    path: Path
    table: Path | None = None

    @property
    def name(self) -> str:
        """The file's path."""
        return str(self.path)

    @property
    def tree(self) -> Mapping[str, tuple[str, ...]]:
        """The three levels of every category_id in the table; empty without a table.

        Raises:
            DatasetError: the table cannot be read.
        """
        return read_category_table(self.table) if self.table else {}

    def entries(self) -> Iterator[Entry]:
        """The photos of every product, in the file's order.

        A document that is damaged inside is left out; where a document's length is damaged, all
        that follows is out of reach, and that is an error. So is a category that the table lacks:
        a classifier could not say where it belongs, and the table is likely another dataset's. All
        such categories are named at once, behind the last photo.

        Raises:
            DatasetError: the file or the table cannot be read, no document has a category, or
                categories are not in the table.
        """
        census = _Census(str(self.path), self.tree)
        with opened_file(self.path) as file:
            version = file_version(file)
            for document in _documents(self.path, file):
                product = document.product()
                census.count(product)
                if isinstance(product, str):
                    yield _left_out(self.path, document, product)
                elif product.category is None:
                    yield _left_out(self.path, document, _NO_CATEGORY)
                else:
                    yield from _photos(document, product, product.category, version)
        census.check()

    def read(self, locator: str) -> bytes:
        """One photo's bytes; the locator is `<offset>:<length>:<n>` of its document.

        Raises:
            OSError: the file cannot be read.
            PhotoError: there is no such document any more, or no such photo in it.
        """
        offset, length, n = positions(locator, "offset", "length", "n")
        data = read_at(self.path, offset, min(length, MAX_DOCUMENT_BYTES))
        product = _Document(offset, length, data).product()
        if isinstance(product, str):
            raise PhotoError(f"{self.path}: at byte {offset}: {product}")
        picture = product.pictures[n] if n < len(product.pictures) else None
        if picture is None:
            raise PhotoError(f"{self.path}: at byte {offset}: no picture {n}")
        return picture


@dataclass(frozen=True, slots=True)
class Product:
    """What a document says; a picture that is not bytes is None, and so is no category."""

    id: int
    category: str | None
    pictures: tuple[bytes | None, ...]


def read_products(path: Path) -> Iterator[Product | LeftOut]:
    """Every product of a file, with or without a category, in the file's order, one by one.

    Raises:
        DatasetError: the file cannot be read, or is damaged from some document on.
    """
    with opened_file(path) as file:
        for document in _documents(path, file):
            product = document.product()
            yield _left_out(path, document, product) if isinstance(product, str) else product


@dataclass(frozen=True, slots=True)
class _Document:
    """A document's place in the file, the length that it claims, and its bytes."""

    offset: int
    length: int
    data: bytes

    def product(self) -> Product | str:
        """The product, or why there is none."""
        if len(self.data) < self.length:
            return (
                f"the file ends inside this document: {len(self.data):,} of {self.length:,} bytes"
            )
        try:
            fields = bson.decode(self.data)
        except Exception as error:  # noqa: BLE001 (bson's own, and what its types raise on odd values)
            return f"not a BSON document: {error}"
        return _product(fields)


@dataclass(slots=True)
class _Census:
    """What only all documents together can tell."""

    name: str
    tree: Mapping[str, tuple[str, ...]]
    with_category: int = 0
    without_category: int = 0
    unknown: set[str] = field(default_factory=set)

    def count(self, product: Product | str) -> None:
        if not isinstance(product, Product):
            return
        if product.category is None:
            self.without_category += 1
            return
        self.with_category += 1
        if self.tree and product.category not in self.tree:
            self.unknown.add(product.category)
        if len(self.unknown) > _MAX_UNKNOWN:  # no slip, another table: no need to read on
            self.check()

    def check(self) -> None:
        if self.without_category and not self.with_category:
            raise DatasetError(
                f"{self.name}: {self.without_category:,} products, none with a category_id",
                hint="the competition's test.bson has none: give train.bson",
            )
        if self.unknown:
            named = sorted(self.unknown)[:_MAX_UNKNOWN]
            more = " and more" if len(self.unknown) > len(named) else ""
            raise DatasetError(
                f"{self.name}: category {', '.join(named)}{more}, expected those of the table",
                hint="add them to the table, or give the table that belongs to these products",
            )


def _documents(path: Path, file: BinaryIO) -> Iterator[_Document]:
    offset = 0
    while start := file.read(_LENGTH.size):
        cut = len(start) < _LENGTH.size
        length = _MIN_DOCUMENT_BYTES if cut else _LENGTH.unpack(start)[0]
        if not _MIN_DOCUMENT_BYTES <= length <= MAX_DOCUMENT_BYTES:
            raise DatasetError(
                f"{path}: at byte {offset}: a document of {length:,} bytes,"
                f" expected {_MIN_DOCUMENT_BYTES} to {MAX_DOCUMENT_BYTES:,}",
                hint="the file is not BSON, or damaged from there on: fetch it again",
            )
        data = start + file.read(length - _LENGTH.size)
        yield _Document(offset, length, data)
        offset += len(data)


def _product(fields: Mapping[str, Any]) -> Product | str:
    number, category = _number(fields.get("_id")), _number(fields.get("category_id"))
    if number is None:
        return f"_id {_shown(fields.get('_id'))}, expected a whole number from 0"
    if category is None and fields.get("category_id") is not None:
        return f"category_id {_shown(fields['category_id'])}, expected a whole number from 0"
    images = fields.get("imgs")
    pictures = map(_picture, images if isinstance(images, list) else ())
    return Product(number, None if category is None else str(category), tuple(pictures))


def _picture(image: object) -> bytes | None:
    picture = image.get("picture") if isinstance(image, dict) else None
    return (
        bytes(picture) if isinstance(picture, bytes) else None
    )  # bson's Binary is a kind of bytes


def _left_out(path: Path, document: _Document, reason: str) -> LeftOut:
    return LeftOut(printable(f"{path.name}@{document.offset}"), reason, photo=True)


def _photos(document: _Document, product: Product, category: str, version: str) -> Iterator[Entry]:
    if not product.pictures:
        yield LeftOut(f"{category}/{product.id}", "a product without photos", photo=True)
    for n, picture in enumerate(product.pictures):
        path = f"{category}/{product.id}-{n}.jpg"
        if picture is None:
            yield LeftOut(path, "no picture in it", photo=True)
            continue
        yield Photo(
            path=path,
            categories=(category,),
            size=len(picture),
            version=version,
            locator=f"{document.offset}:{document.length}:{n}",
            product=str(product.id),
        )


def _number(value: object) -> int | None:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        return None
    return int(value)  # bson's Int64 is a class of its own


def _shown(value: object) -> str:
    return repr(value) if isinstance(value, int | float) else type(value).__name__
