"""Folders of photos become RecordIO files that MXNet, im2rec users and SageMaker read."""
