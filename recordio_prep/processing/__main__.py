"""The program of a processing job: `python -m recordio_prep.processing --classes FILE ...`."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import traceback
from pathlib import Path

from contracts import PHOTO_FIT, PHOTO_FITS, PHOTO_SIZE, DatasetError, SnapshelfError
from recordio_prep.engines import LocalProcesses
from recordio_prep.processing.environment import Environment, leave_message
from recordio_prep.processing.share import Host, pack_share
from recordio_prep.settings import ENCODINGS, Settings

logger = logging.getLogger(__name__)


def main(arguments: list[str] | None = None) -> int:
    """Pack this host's share; 0 when it is done, 1 with the reason as the job's ExitMessage."""
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="[%(asctime)s %(levelname)s] %(message)s"
    )
    chosen = _parser().parse_args(arguments)
    try:
        _run(chosen)
    except Exception as error:  # noqa: BLE001 (whatever it is, SageMaker is told through the file)
        leave_message(os.environ, _told(error))
        return 1
    return 0


def _run(chosen: argparse.Namespace) -> None:
    environment = Environment.from_environ(os.environ)
    settings = Settings(
        size=chosen.size,
        fit=chosen.fit,
        train_ratio=chosen.train_ratio,
        seed=chosen.seed,
        encoding=chosen.encoding,
        quality=chosen.quality,
        shard_size=chosen.shard_size,
    )
    part = pack_share(
        environment.folder(chosen.photos),
        environment.folder(chosen.records),
        _names(chosen.classes),
        settings,
        host=Host(environment.position, len(environment.hosts)),
        engine=LocalProcesses(chosen.workers or len(os.sched_getaffinity(0))),
        strict=chosen.strict,
    )
    records = sum(shard.records for shard in part.shards)
    logger.info(
        "%s: %d records in %d shards, %d files left out",
        *(environment.host, records, len(part.shards), part.left_out),
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m recordio_prep.processing", description=__doc__)
    add = parser.add_argument
    add("--classes", type=Path, required=True, help="text file, a category folder's name a line")
    add("--photos", default="photos", metavar="INPUT", help="its name in ProcessingInputs")
    add("--records", default="records", metavar="OUTPUT", help="its name among the Outputs")
    add("--size", type=int, default=PHOTO_SIZE, help="pixels a side")
    add("--fit", choices=PHOTO_FITS, default=PHOTO_FIT)
    add("--train-ratio", type=float, default=0.7, help="share that is trained on, on average")
    add("--seed", type=int, default=0)
    add("--encoding", choices=ENCODINGS, help="for all records; by default as `prepare`")
    add("--quality", type=int, default=95, help="of JPEG")
    add("--shard-size", type=int, default=10_000, help="records in a file")
    add("--workers", type=int, help="processes; by default one for each core")
    add("--strict", action="store_true", help="fail if any photo cannot be read")
    return parser


def _names(file: Path) -> tuple[str, ...]:
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(
            f"{file}: {error}, expected a text file with a category a line",
            hint="give it to the job as an input of its own, FullyReplicated",
        ) from error
    return tuple(line.strip() for line in lines if line.strip())


def _told(error: Exception) -> str:
    if isinstance(error, SnapshelfError):
        text = f"{error.message} ({error.hint})" if error.hint else error.message
        logger.error(text)
        return text
    traceback.print_exc()
    return f"{type(error).__name__}: {error}"


if __name__ == "__main__":
    sys.exit(main())
