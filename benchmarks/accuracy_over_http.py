"""A deployed model's accuracy and latency, one photo after the other through its public API.

    python benchmarks/accuracy_over_http.py API_URL PHOTOS

PHOTOS holds category folders. Each file is posted as it is to API_URL/classify; its verdict is the
most probable category. Latency is the client's, one request at a time.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from pathlib import Path

import httpx

from recordio_prep.sources.folders import Folders
from recordio_prep.sources.source import Photo


def main() -> None:
    """Post every photo and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("api_url")
    parser.add_argument("photos", type=Path)
    arguments = parser.parse_args()
    entries = Folders(arguments.photos).entries()
    photos = [entry for entry in entries if isinstance(entry, Photo)]
    right, milliseconds = 0, []
    with httpx.Client(base_url=arguments.api_url.rstrip("/") + "/", timeout=35) as api:
        for photo in photos:
            content = (arguments.photos / photo.path).read_bytes()
            start = time.perf_counter()
            reply = api.post(
                "classify",
                content=content,
                headers={"Content-Type": "application/x-image", "Accept": "application/json"},
            )
            milliseconds.append((time.perf_counter() - start) * 1000)
            reply.raise_for_status()
            right += reply.json()["categories"][0]["category"] == photo.categories[0]
    print(
        json.dumps(
            {
                "photos": len(photos),
                "right": right,
                "accuracy": right / len(photos),
                "median_ms": round(statistics.median(milliseconds), 1),
                "p95_ms": round(statistics.quantiles(milliseconds, n=20)[-1], 1),
                "machine": platform.processor() or platform.machine(),
            }
        )
    )


if __name__ == "__main__":
    main()
