"""Warnings: Pillow's stay inside, everyone else's come through, on any thread."""

import threading
import warnings

import pytest

from photo.quiet import quiet_pillow


def warn_as(module):
    """Give a warning as code of that module would."""
    warnings.warn_explicit("odd file", UserWarning, f"{module}.py", 1, module=module)


def test_pillows_warnings_stay_inside():
    """Under pytest's warnings-are-errors these would raise."""
    with quiet_pillow():
        warn_as("PIL.TiffImagePlugin")


def test_other_warnings_come_through():
    """Only Pillow's modules are silenced."""
    with quiet_pillow(), pytest.warns(UserWarning, match="odd file"):
        warn_as("elsewhere")


def test_the_last_thread_out_restores_the_filters():
    """Two overlapping blocks, the first to enter leaving first, leave no trace."""
    before = list(warnings.filters)
    inside, leave = threading.Event(), threading.Event()

    def stay():
        with quiet_pillow():
            inside.set()
            leave.wait(10)

    thread = threading.Thread(target=stay)
    with quiet_pillow():
        thread.start()
        assert inside.wait(10)
    warn_as("PIL.Image")
    leave.set()
    thread.join()
    assert warnings.filters == before
    with pytest.raises(UserWarning):
        warn_as("PIL.Image")
