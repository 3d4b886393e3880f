"""What a channel reads: the objects of a prefix or a manifest, or an augmented manifest's lines."""

from __future__ import annotations

import json
import random
import zlib
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, TypeVar

from infra.sagemaker.object_store import S3Location, StorageError
from infra.sagemaker.recordio import wrapped

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from infra.sagemaker.object_store import ObjectStore

FILE, PIPE = "File", "Pipe"
PREFIX, MANIFEST, AUGMENTED = "S3Prefix", "ManifestFile", "AugmentedManifestFile"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ChannelSource:
    """A channel of CreateTrainingJob, its defaults filled in.

    Source: SageMaker API reference, *Channel*, *S3DataSource* and *ShuffleConfig*.

    Attributes:
        mode: FILE or PIPE.
        data_type: PREFIX, MANIFEST or AUGMENTED.
        location: the prefix, or the manifest.
        attributes: of an augmented manifest's lines, what is streamed, in order.
        sharded: whether each host gets its share, rather than everything.
        seed: of the shuffling, or None for the order as it is.
        recordio: whether each object, or each attribute, becomes a record (PIPE).
        gzip: whether objects are decompressed on their way (PIPE).
    """

    name: str
    mode: str
    data_type: str
    location: S3Location
    attributes: tuple[str, ...] = ()
    sharded: bool = False
    seed: int | None = None
    recordio: bool = False
    gzip: bool = False

    @classmethod
    def parse(cls, channel: dict[str, Any], job_mode: str) -> ChannelSource:
        """Read a channel that has passed the service model's checks.

        Raises:
            StorageError: S3Uri is not s3://bucket/key.
        """
        source = channel["DataSource"]["S3DataSource"]
        shuffle = channel.get("ShuffleConfig")
        return cls(
            name=channel["ChannelName"],
            mode=channel.get("InputMode", job_mode),
            data_type=source["S3DataType"],
            location=S3Location.parse(source["S3Uri"]),
            attributes=tuple(source.get("AttributeNames", ())),
            sharded=source.get("S3DataDistributionType") == "ShardedByS3Key",
            seed=shuffle["Seed"] if shuffle else None,
            recordio=channel.get("RecordWrapperType") == "RecordIO",
            gzip=channel.get("CompressionType") == "Gzip",
        )

    def share(self, items: Sequence[T], *, epoch: int, host: int, hosts: int) -> list[T]:
        """What one host reads in one epoch, in order.

        Every epoch is shuffled anew, before it is divided: a host's share changes with the epochs
        (API reference, *ShuffleConfig*). With fewer items than hosts, some get none
        (*S3DataSource*).
        """
        ordered = list(items)
        if self.seed is not None:
            random.Random(f"{self.seed}/{epoch}").shuffle(ordered)  # noqa: S311 - an order, no secret
        return ordered[host::hosts] if self.sharded else ordered


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object of a channel, and the path in the channel's folder that it gets in File mode."""

    location: S3Location
    path: PurePosixPath


@dataclass(frozen=True, slots=True)
class ManifestLine:
    """A line of an augmented manifest: its number from 1, and its attributes in wanted order.

    An S3Location stands where the attribute's name ends in `-ref`, bytes for any other value.
    """

    number: int
    values: tuple[S3Location | bytes, ...]


def read_items(store: ObjectStore, source: ChannelSource) -> Sequence[StoredObject | ManifestLine]:
    """Everything that the channel reads, in the order of keys or lines.

    Raises:
        StorageError: there is nothing, a manifest is malformed, or S3 refuses.
    """
    if source.data_type == AUGMENTED:
        return augmented_lines(store, source)
    return stored_objects(store, source)


def stored_objects(store: ObjectStore, source: ChannelSource) -> list[StoredObject]:
    """The objects of a channel whose data type is PREFIX or MANIFEST.

    Raises:
        StorageError: see `read_items`.
    """
    if source.data_type == MANIFEST:
        found = _manifest_objects(store, source.location)
    else:
        found = prefix_objects(store, source.location)
    if not found:
        raise StorageError(
            f'No S3 objects found under S3 URL "{source.location}" given in input data source'
        )
    return found


def prefix_objects(store: ObjectStore, prefix: S3Location) -> list[StoredObject]:
    """Every object whose key begins with the prefix; a console's marker for a folder is none."""
    return [
        StoredObject(S3Location(prefix.bucket, key), relative_path(key, prefix.key))
        for key in store.keys(prefix)
        if not key.endswith("/")
    ]


def relative_path(key: str, prefix: str) -> PurePosixPath:
    """Where an object lands in its channel's folder.

    Relative to the prefix where that is a folder (`train` or `train/` of `train/a.rec`); else
    relative to the folder that the prefix is in (`data/tr` of `data/train/a.rec` and of
    `data/train.rec`).

    Raises:
        StorageError: the key would leave the folder.
    """
    folder = prefix.rstrip("/") + "/"
    if not key.startswith(folder):
        folder = prefix.rpartition("/")[0] + "/"
    return _inside(key, key.removeprefix(folder))


def _inside(key: str, relative: str) -> PurePosixPath:
    path = PurePosixPath(relative.lstrip("/"))
    if ".." in path.parts:
        raise StorageError(f"{key}: expected a key without `..`")
    return path


def _manifest_objects(store: ObjectStore, manifest: S3Location) -> list[StoredObject]:
    """Read `[{"prefix": "s3://bucket/some/"}, "suffix", ...]` (API reference, *S3DataSource*)."""
    expected = 'expected [{"prefix": "s3://bucket/some/prefix/"}, "relative/path", ...]'
    try:
        prefix, *suffixes = json.loads(b"".join(store.read(manifest)))
        start = S3Location.parse(prefix["prefix"])
    except (ValueError, TypeError, KeyError) as error:
        raise StorageError(f"manifest {manifest}: {error!r}; {expected}") from error
    if bad := [suffix for suffix in suffixes if not isinstance(suffix, str) or not suffix]:
        raise StorageError(f"manifest {manifest}: {bad[0]!r} is no suffix; {expected}")
    return [
        StoredObject(S3Location(start.bucket, start.key + suffix), _inside(suffix, suffix))
        for suffix in suffixes
    ]


def augmented_lines(store: ObjectStore, source: ChannelSource) -> list[ManifestLine]:
    """The lines of an augmented manifest; blank ones are none.

    Source: SageMaker developer guide, *Augmented Manifest Files for Training Jobs*.

    Raises:
        StorageError: naming the line that is no JSON object or lacks an attribute.
    """
    text = b"".join(store.read(source.location))
    lines = [
        ManifestLine(number, tuple(_attribute(source, number, line)))
        for number, line in enumerate(text.splitlines(), start=1)
        if line.strip()
    ]
    if not lines:
        raise StorageError(f"augmented manifest {source.location}: expected lines, found none")
    return lines


def _attribute(source: ChannelSource, number: int, line: bytes) -> Iterator[S3Location | bytes]:
    place = f"augmented manifest {source.location}, line {number}"
    try:
        record = json.loads(line)
    except ValueError as error:
        raise StorageError(f"{place}: {error}; expected a JSON object") from error
    for name in source.attributes:
        if not isinstance(record, dict) or name not in record:
            raise StorageError(f"{place}: expected a JSON object with the attribute {name!r}")
        value = record[name]
        if name.endswith("-ref"):
            yield _location(str(value), place)
        else:
            yield (value if isinstance(value, str) else json.dumps(value)).encode()


def _location(value: str, place: str) -> S3Location:
    try:
        return S3Location.parse(value)
    except StorageError as error:
        raise StorageError(f"{place}: {error.message}") from error


def stream(
    store: ObjectStore, source: ChannelSource, item: StoredObject | ManifestLine
) -> Iterator[bytes]:
    """The bytes that Pipe mode sends for one item.

    Source: SageMaker developer guide, *Augmented Manifest File Format for Pipe Mode Training*:
    objects in place of their URIs, everything else as text, each a record with RecordIO.

    Raises:
        StorageError: an object is not there or not gzip, or S3 refuses.
    """
    values = (item.location,) if isinstance(item, StoredObject) else item.values
    for value in values:
        chunks = store.read(value) if isinstance(value, S3Location) else iter([value])
        if source.gzip:
            chunks = decompressed(chunks, str(value))
        if source.recordio:
            yield wrapped(b"".join(chunks))
        else:
            yield from chunks


def decompressed(chunks: Iterator[bytes], name: str) -> Iterator[bytes]:
    """Undo gzip, of several members too."""
    expanding = zlib.decompressobj(wbits=31)
    try:
        for chunk in chunks:
            rest = chunk
            while rest:
                if expanding.eof:
                    expanding = zlib.decompressobj(wbits=31)
                yield expanding.decompress(rest)
                rest = expanding.unused_data
    except zlib.error as error:
        raise StorageError(f"{name}: {error}; expected gzip") from error
    if not expanding.eof:
        raise StorageError(f"{name}: it ends within its gzip data")
