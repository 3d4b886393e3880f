"""The SageMaker plane in process, for the tests that call it as a client does."""

from sagemaker_plane import anyio_backend, client

__all__ = ["anyio_backend", "client"]
