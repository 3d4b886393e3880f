"""Pipe input mode: a channel's epochs, streamed from S3 through named pipes."""

from __future__ import annotations

import errno
import os
import select
import threading
from typing import TYPE_CHECKING

from infra.sagemaker.training_sources import stream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from infra.sagemaker.object_store import ObjectStore
    from infra.sagemaker.training_hosts import Host
    from infra.sagemaker.training_sources import ChannelSource, ManifestLine, StoredObject

POLL_SECONDS = 0.05
"""Between two looks whether the container has opened the pipe, or the job has ended."""

JOIN_SECONDS = 2
"""For a thread that waits for S3; it is a daemon and ends by itself."""


class ChannelPipe:
    """Feeds `<channel>_0`, `<channel>_1`, ... in `folder` to one container, an epoch each.

    The container opens a pipe when it wants to, reads it to its end or closes it before, and opens
    the next. That one is there before the end of its predecessor can be seen; a pipe that has been
    read is gone. Source: SageMaker developer guide, *How Amazon SageMaker Provides Training
    Information*, Training Data.

    Args:
        on_error: called, in a thread, with what ended the streaming. The pipe then stays open, for
            the container would take its end for the end of the epoch.
    """

    def __init__(
        self,
        store: ObjectStore,
        source: ChannelSource,
        items: Sequence[StoredObject | ManifestLine],
        folder: Path,
        *,
        host: Host,
        hosts: int,
        on_error: Callable[[Exception], None],
    ) -> None:
        self._store, self._source, self._items, self._folder = store, source, items, folder
        self._host, self._hosts, self._on_error = host, hosts, on_error
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"pipe-{source.name}", daemon=True)

    def open(self) -> None:
        """Make the first pipe, then feed in a thread of its own."""
        os.mkfifo(self._path(0))
        self._thread.start()

    def close(self) -> None:
        """End the streaming, whether or not anybody reads."""
        self._closed.set()
        if self._thread.is_alive():
            self._thread.join(JOIN_SECONDS)

    def _path(self, epoch: int) -> Path:
        return self._folder / f"{self._source.name}_{epoch}"

    def _run(self) -> None:
        epoch = 0
        try:
            while (descriptor := self._opened(self._path(epoch))) is not None:
                os.mkfifo(self._path(epoch + 1))
                try:
                    self._feed(descriptor, epoch)
                finally:
                    os.close(descriptor)
                self._path(epoch).unlink(missing_ok=True)
                epoch += 1
        except Exception as error:  # noqa: BLE001 - whatever it is, the job must end with it
            if not self._closed.is_set():
                self._on_error(error)

    def _opened(self, path: Path) -> int | None:
        """A descriptor once the container has opened the pipe; None where the job ends first."""
        while not self._closed.wait(POLL_SECONDS):
            try:
                return os.open(path, os.O_WRONLY | os.O_NONBLOCK)
            except OSError as error:
                if error.errno != errno.ENXIO:  # nobody reads yet
                    raise
        return None

    def _feed(self, descriptor: int, epoch: int) -> None:
        share = self._source.share(
            self._items, epoch=epoch, host=self._host.index, hosts=self._hosts
        )
        try:
            for item in share:
                if self._closed.is_set():
                    return
                self._write(descriptor, stream(self._store, self._source, item))
        except BrokenPipeError:  # the container has had enough of this epoch
            return
        except Exception as error:  # noqa: BLE001 - see on_error
            if not self._closed.is_set():
                self._on_error(error)
            self._closed.wait()

    def _write(self, descriptor: int, chunks: Iterable[bytes]) -> None:
        poll = select.poll()
        poll.register(descriptor, select.POLLOUT)
        for chunk in chunks:
            rest = memoryview(chunk)
            while rest:
                if self._closed.is_set():  # nothing more is fetched for nobody
                    return
                if poll.poll(1000 * POLL_SECONDS):
                    rest = rest[os.write(descriptor, rest) :]
