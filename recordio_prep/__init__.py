"""Folders of photos become RecordIO files that MXNet, im2rec users and SageMaker read."""

from recordio_prep.dataset import Dataset, Split
from recordio_prep.prepare import check_photos, prepare
from recordio_prep.recordio import IRHeader, RecordWriter, read_records

__all__ = [
    "Dataset",
    "IRHeader",
    "RecordWriter",
    "Split",
    "check_photos",
    "prepare",
    "read_records",
]
