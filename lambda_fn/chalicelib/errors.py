"""How a request can fail at the API, beyond what the contracts already name."""

from __future__ import annotations

from .contracts import EndpointError, SnapshelfError


class BadRequestError(SnapshelfError):
    """The request's body or query is not what the route takes."""

    code = "bad_request"
    status = 400


class UnsupportedMediaTypeError(SnapshelfError):
    """The body's type is none that the route takes."""

    code = "unsupported_media_type"
    status = 415


class PhotoTooLargeError(SnapshelfError):
    """The photo would not fit through Lambda or the endpoint."""

    code = "photo_too_large"
    status = 413


class RefusedPhotoError(SnapshelfError):
    """The endpoint refused the photo; status, code and words are the endpoint's own."""

    def __init__(self, message: str, *, hint: str, status: int, code: str) -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.code = code


class EndpointUnavailableError(EndpointError):
    """The endpoint does not exist, is not ready, or cannot be reached."""

    code = "endpoint_unavailable"
    status = 503


class EndpointBusyError(EndpointError):
    """The endpoint has more requests than it may take."""

    code = "endpoint_busy"
    status = 429


class EndpointTimeoutError(EndpointError):
    """The endpoint took longer than API Gateway would have waited."""

    code = "endpoint_timeout"
    status = 504


class MethodNotAllowedError(SnapshelfError):
    """The path exists, but not for this method."""

    code = "method_not_allowed"
    status = 405


class NotFoundError(SnapshelfError):
    """No route has this path."""

    code = "not_found"
    status = 404


class InternalError(SnapshelfError):
    """A bug of ours; its traceback stands in the log."""

    code = "internal"
    status = 500


class UnknownModelError(SnapshelfError):
    """No model of this deployment has that name."""

    code = "unknown_model"
    status = 404


class NoCategoryIdsError(SnapshelfError):
    """The route answers with category ids, and the model's categories are none."""

    code = "no_category_ids"
    status = 409


class BatchFailedError(SnapshelfError):
    """Something inside failed over a batch: to the clients of `/process_batch` that is 500."""

    code = "batch_failed"
    status = 500


class FeedbackOffError(SnapshelfError):
    """This deployment takes no feedback."""

    code = "feedback_off"
    status = 404


class StorageError(SnapshelfError):
    """S3 did not take a photo."""

    code = "storage"
    status = 503
