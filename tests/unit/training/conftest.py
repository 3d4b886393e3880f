"""Photos, channels and jobs."""

from training_jobs import *  # noqa: F403 - its fixtures
