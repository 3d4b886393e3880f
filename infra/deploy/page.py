"""The static page's files as they stand in its bucket: keys, types and how long they are kept."""

from __future__ import annotations

import hashlib
from pathlib import Path

from contracts import DeployError
from infra.deploy.resources import StoredFile

WEB_DIR = Path(__file__).parents[2] / "web"
PAGE_CONFIG = "config.json"
"""The one file that a deployment writes itself: `{"apiUrl": ...}`."""

REVALIDATE = "no-cache"
"""Kept, but asked for anew each time: S3 then answers 304 by ETag."""

_LONG = "public, max-age=86400"  # vendored scripts: their names carry their versions
_CONTENT_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".webp": "image/webp",
    ".ico": "image/x-icon",
    ".woff2": "font/woff2",
    ".txt": "text/plain; charset=utf-8",
}
_DEVELOPMENT = frozenset({"package.json", "package-lock.json", "node_modules", "tests"})


def page_files(web_dir: Path) -> tuple[StoredFile, ...]:
    """The files that the page consists of, sorted by key.

    Left out are hidden files, those of the page's development, its documentation, and a
    `config.json`, which each deployment writes by itself.

    Raises:
        DeployError: there is no `index.html`, or a file has a suffix of no known content type.
    """
    if not (web_dir / "index.html").is_file():
        raise DeployError(
            f"{web_dir} holds no index.html", hint="restore the folder web from the repository"
        )
    paths = (path for path in sorted(web_dir.rglob("*")) if path.is_file())
    return tuple(_stored(path, web_dir) for path in paths if _is_page(path.relative_to(web_dir)))


def _is_page(relative: Path) -> bool:
    return (
        relative.as_posix() != PAGE_CONFIG
        and relative.suffix != ".md"
        and not any(part.startswith(".") or part in _DEVELOPMENT for part in relative.parts)
    )


def _stored(path: Path, web_dir: Path) -> StoredFile:
    key = path.relative_to(web_dir).as_posix()
    content_type = _CONTENT_TYPES.get(path.suffix)
    if content_type is None:
        raise DeployError(
            f"{path}: no content type is known for {path.suffix or 'a file without suffix'!r}",
            hint="add it to infra/deploy/page.py, or remove the file",
        )
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    cache_control = _LONG if key.startswith("vendor/") else REVALIDATE
    return StoredFile(key, path, sha256, content_type, cache_control)
