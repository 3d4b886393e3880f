"""What holds for every test."""

from hypothesis import settings

settings.register_profile("untimed", deadline=None)  # a busy machine is slow, which is no error
settings.load_profile("untimed")
