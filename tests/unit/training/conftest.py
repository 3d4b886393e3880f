"""Photos, channels and jobs, which the integration tests have too."""

from training_jobs import (
    draw,
    empty_job,
    finished,
    job,
    make_job,
    pack,
    preparation,
    records,
    settings,
    settings_of,
)

__all__ = [
    "draw",
    "empty_job",
    "finished",
    "job",
    "make_job",
    "pack",
    "preparation",
    "records",
    "settings",
    "settings_of",
]
