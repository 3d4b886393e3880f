"""The model in the function's own bundle, asked as an endpoint is: same answers, same faults.

What answers is the inference image's own code, which the bundle of such a function holds beside
this project. It is known by name alone, as an endpoint is.
"""

from __future__ import annotations

import importlib
import io
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from .endpoint import Endpoint

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Ask = Callable[[bytes, str, str, str], tuple[int, str, bytes]]

NAME = "in the function"

_MEGABYTES_PER_PROCESSOR = 1769
"""Lambda developer guide, *Configuring memory*: processors come with memory, one for as much."""


class OwnModel:
    """InvokeEndpoint as SageMaker Runtime answers it, without leaving the process."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    def invoke_endpoint(
        self,
        *,
        EndpointName: str,  # noqa: N803, ARG002 (boto3's own names; there is one model)
        Body: bytes,  # noqa: N803
        ContentType: str,  # noqa: N803
        Accept: str,  # noqa: N803
        CustomAttributes: str = "",  # noqa: N803
    ) -> dict[str, Any]:
        """Answer one request.

        Raises:
            ClientError: ModelError, with the status and words that a container would have given.
        """
        status, content_type, body = self._ask(Body, ContentType, Accept, CustomAttributes)
        if status >= HTTPStatus.BAD_REQUEST:
            error: Any = {
                "Error": {"Code": "ModelError", "Message": f"the model answered {status}"},
                "OriginalStatusCode": status,
                "OriginalMessage": body.decode(errors="replace"),
            }
            raise ClientError(error, "InvokeEndpoint")
        return {"Body": io.BytesIO(body), "ContentType": content_type}


def open_endpoint(program: str, folder: str, environ: Mapping[str, str]) -> Endpoint:
    """Load the model; it takes about as long as the endpoint's container takes to start.

    Args:
        program: a module with `open_model(folder, threads)`.
        folder: where the model lies, from the bundle's root.
        environ: Lambda's, for the root and the processors that come with the memory.
    """
    memory = int(environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", _MEGABYTES_PER_PROCESSOR))
    threads = max(1, round(memory / _MEGABYTES_PER_PROCESSOR))
    model_dir = f"{environ.get('LAMBDA_TASK_ROOT', '.')}/{folder}"
    ask: Ask = importlib.import_module(program).open_model(model_dir, threads)
    return Endpoint(NAME, OwnModel(ask), concurrency=1)  # its memory is for one photo at a time
