"""SageMaker's processing container as this program finds it, read once at the start.

Source: SageMaker developer guide, *How to Build Your Own Processing Container*: "How Amazon
SageMaker Processing Configures Your Processing Container", "... Configures Input and Output For
Your Processing Container", "Save and Access Metadata Information About Your Processing Job".
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contracts import BASE_DIR, BASE_DIR_VARIABLE, DatasetError

if TYPE_CHECKING:
    from collections.abc import Mapping

_MESSAGE_BYTES = 1024
"""SageMaker takes no more of the file for the job's ExitMessage."""

_HINT = "run this program as a SageMaker Processing job, or lay its files out as one would"


@dataclass(frozen=True, slots=True)
class Environment:
    """Which host of the job this is, and where its input and output lie.

    Attributes:
        base_dir: `/opt/ml`, unless SAGEMAKER_BASE_DIR says otherwise.
        host: This one's name.
        hosts: All names, sorted: the same on every host.
        folders: Local folder of every input and output of the job, by name.
    """

    base_dir: Path
    host: str
    hosts: tuple[str, ...]
    folders: Mapping[str, Path]

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Environment:
        """Read `config/resourceconfig.json` and `config/processingjobconfig.json`.

        Raises:
            DatasetError: one of them is missing or says something else.
        """
        base_dir = Path(environ.get(BASE_DIR_VARIABLE, BASE_DIR))
        resources = _document(base_dir / "config" / "resourceconfig.json")
        job = _document(base_dir / "config" / "processingjobconfig.json")
        try:
            host, hosts = resources["current_host"], tuple(sorted(resources["hosts"]))
            folders = {name: _below(base_dir, path) for name, path in _local_paths(job)}
        except (KeyError, TypeError, AttributeError) as error:
            raise DatasetError(f"{base_dir}/config: {error!r} is amiss", hint=_HINT) from error
        if host not in hosts:
            raise DatasetError(f"host {host}, expected one of {', '.join(hosts)}", hint=_HINT)
        return cls(base_dir, host, hosts, folders)

    @property
    def position(self) -> int:
        """Of this host among all, from 0."""
        return self.hosts.index(self.host)

    def folder(self, name: str) -> Path:
        """Of an input or output of the job.

        Raises:
            DatasetError: the job has none of this name.
        """
        if name not in self.folders:
            raise DatasetError(
                f"no input or output {name}, expected one of {', '.join(sorted(self.folders))}",
                hint="name it so in ProcessingInputs or ProcessingOutputConfig.Outputs",
            )
        return self.folders[name]


def leave_message(environ: Mapping[str, str], text: str) -> None:
    """Write what becomes the job's ExitMessage: UTF-8, 1 KB at most, nothing secret."""
    file = Path(environ.get(BASE_DIR_VARIABLE, BASE_DIR)) / "output" / "message"
    file.parent.mkdir(parents=True, exist_ok=True)
    content = text.encode()[:_MESSAGE_BYTES].decode(errors="ignore")
    file.write_text(content, encoding="utf-8")


def _document(path: Path) -> dict[str, Any]:
    try:
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path}: {error}", hint=_HINT) from error
    return document


def _local_paths(job: Mapping[str, Any]) -> list[tuple[str, str]]:
    inputs = [
        (one["InputName"], one["S3Input"]["LocalPath"]) for one in job.get("ProcessingInputs") or ()
    ]
    outputs = (job.get("ProcessingOutputConfig") or {}).get("Outputs") or ()
    return inputs + [(one["OutputName"], one["S3Output"]["LocalPath"]) for one in outputs]


def _below(base_dir: Path, path: str) -> Path:
    """SageMaker's paths begin with /opt/ml/processing."""
    return base_dir / Path(path).relative_to(BASE_DIR) if path.startswith(BASE_DIR) else Path(path)
