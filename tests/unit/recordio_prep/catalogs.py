"""Catalogs of real folders and of made photos, as listing and encoding would have filled them."""

import hashlib
import io
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from contracts import PhotoError
from photo import prepare_stored_photo
from recordio_prep.catalog import Catalog, joined
from recordio_prep.perceptual_hash import perceptual_hashes


@dataclass
class FilledCatalog:
    """A catalog, and the payloads that its photos were prepared to."""

    catalog: Catalog
    size: int = 112
    payloads: dict[int, bytes] = field(default_factory=dict)

    def payload(self, photo):
        return self.payloads[photo]

    def add(self, path, data, *, part="photos", categories=None):
        """List a photo by its bytes; one that cannot be decoded is left out. Return its id."""
        categories = (path.split("/")[0],) if categories is None else categories
        try:
            facts, payload = describe(data, self.size)
        except PhotoError as error:
            self.catalog.leave_out_all([(part, path, error.message, "unreadable")])
            return None
        photo = self.catalog.count("photos")
        row = (
            photo,
            part,
            path,
            joined(categories),
            "",
            len(data),
            "",
            path,
            photo,
            photo,
            1,
            None,
        )
        self.insert("photos", row)
        self.insert("facts", (photo, "jpeg", 0, 0, len(payload), *facts))
        self.payloads[photo] = payload
        return photo

    def add_folder(self, folder, part="photos"):
        """List every file of category folders."""
        for file in sorted(Path(folder).glob("*/*")):
            self.add(file.relative_to(folder).as_posix(), file.read_bytes(), part=part)

    def insert(self, table, row):
        marks = ", ".join("?" * len(row))
        self.catalog.connection.execute(f"INSERT INTO {table} VALUES ({marks})", row)  # noqa: S608

    def families(self):
        """Families as sets of photo ids."""
        rows = self.catalog.connection.execute("SELECT family, id FROM families").fetchall()
        return {frozenset(i for f, i in rows if f == family) for family, _ in rows}


def describe(data, size):
    """A row of `facts` from `digest` on, and the payload."""
    photo = prepare_stored_photo(data, size, "squash")
    form, dimensions, prepared = photo.format, (photo.width, photo.height), photo.image
    pixels = np.asarray(prepared, dtype=np.int64).reshape(-1, 3)
    sums = (*pixels.sum(axis=0).tolist(), *(pixels**2).sum(axis=0).tolist())
    detail = float(pixels.std(axis=0).max())
    digest = hashlib.sha256(data).digest()
    payload = encoded(prepared, "JPEG", quality=95)
    return (digest, form, *dimensions, *perceptual_hashes([prepared]), detail, *sums), payload


def encoded(image, form="PNG", **options):
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()
