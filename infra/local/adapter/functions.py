"""Lambda's Python functions run under awslambdaric in our pool instead of MiniStack's own worker.

Mends: errors without a type or trace; the emulator's own packages and environment inside the
function; a printed line that is taken for an answer; workers without bound; a log stream for each
invocation; 50 ms for a handler that prints nothing; payloads of any size.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from ministack.core import responses
from ministack.services import cloudwatch_logs, lambda_svc

from contracts import LAMBDA_PAYLOAD_BYTES
from infra.local.lambda_function import FunctionSpec
from infra.local.runtime_api import Invocation

if TYPE_CHECKING:
    from infra.local.lambda_pool import FunctionPool
    from infra.local.lambda_worker import Result

Record = dict[str, Any]
_LOGGED = "snapshelf"  # marks a result whose log has been written
_stock_execute = lambda_svc._execute_function_warm  # noqa: SLF001
_stock_emit_logs = lambda_svc._emit_lambda_logs  # noqa: SLF001
_stock_invalidate = lambda_svc.invalidate_worker
_stock_invoke = lambda_svc._invoke  # noqa: SLF001


def install(pool: FunctionPool, loop: asyncio.AbstractEventLoop) -> None:
    """Send MiniStack's invocations of Python functions to `pool`, which lives on `loop`."""

    def execute(func: Record, event: Any, request_id: str) -> Record:
        config = func.get("config") or func
        if not str(config.get("Runtime", "")).startswith("python") or not func.get("code_zip"):
            return _stock_execute(func, event, request_id)  # type: ignore[no-any-return]
        payload = json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()
        if len(payload) > LAMBDA_PAYLOAD_BYTES:
            return too_large(len(payload))
        call = pool.invoke(
            function_spec(func, config), Invocation(request_id, payload, config["FunctionArn"])
        )
        result = asyncio.run_coroutine_threadsafe(call, loop).result()
        write_log(config, result)
        return as_execution(result)

    def invalidate(
        func_name: str,
        qualifier: str | None = None,
        account: str | None = None,
        region: str | None = None,
    ) -> None:
        _stock_invalidate(func_name, qualifier=qualifier, account=account, region=region)
        account = account or responses.get_account_id()
        region = region or responses.get_region()
        loop.call_soon_threadsafe(pool.forget, account, region, func_name, qualifier)

    def emit_logs(*args: Any, log_source: str | None = None, **kwargs: Any) -> None:
        if log_source != _LOGGED:
            _stock_emit_logs(*args, log_source=log_source, **kwargs)

    lambda_svc._execute_function_warm = execute  # noqa: SLF001
    lambda_svc._emit_lambda_logs = emit_logs  # noqa: SLF001
    lambda_svc._invoke = invoke  # noqa: SLF001
    lambda_svc.invalidate_worker = invalidate


async def invoke(name: str, event: Any, headers: dict[str, str], *args: Any, **kwargs: Any) -> Any:
    """Invoke, with Lambda's limit on the event: 413 beyond it."""
    size = int(headers.get("content-length") or 0)
    if size > LAMBDA_PAYLOAD_BYTES:
        return responses.error_response_json(
            "RequestTooLargeException",
            f"{size} byte payload is too large for the RequestResponse invocation type"
            f" (limit {LAMBDA_PAYLOAD_BYTES} bytes)",
            413,
        )
    return await _stock_invoke(name, event, headers, *args, **kwargs)


def function_spec(func: Record, config: Record) -> FunctionSpec:
    """The worker that a function's record asks for."""
    _, _, _, region, account, *_ = str(config["FunctionArn"]).split(":")
    variables = (config.get("Environment") or {}).get("Variables") or {}
    layers = [lambda_svc._resolve_layer_zip(layer) for layer in config.get("Layers") or []]  # noqa: SLF001
    return FunctionSpec(
        name=config["FunctionName"],
        version=config.get("Version", "$LATEST"),
        account=account,
        region=region,
        runtime=config["Runtime"],
        handler=config["Handler"],
        timeout=int(config.get("Timeout", 3)),
        memory=int(config.get("MemorySize", 128)),
        variables=tuple(sorted(variables.items())),
        bundles=(func["code_zip"], *(layer for layer in layers if layer)),
    )


def as_execution(result: Result) -> Record:
    """MiniStack's own record of an execution."""
    return {
        "body": json.loads(result.payload) if result.payload else None,
        "error": result.failed,
        "function_error": "Unhandled",
        "log": "\n".join(line for _, line in result.log),
        "log_source": _LOGGED,
    }


def too_large(size: int) -> Record:
    """The record of an event beyond Lambda's limit, which no worker gets to see."""
    message = f"{size} byte payload is too large (limit {LAMBDA_PAYLOAD_BYTES} bytes)"
    body = {"errorType": "RequestTooLargeException", "errorMessage": message}
    return {"body": body, "error": True, "log": "", "log_source": _LOGGED}


def write_log(config: Record, result: Result) -> None:
    """Append an invocation's lines to the worker's stream in CloudWatch Logs."""
    group_name = (config.get("LoggingConfig") or {}).get("LogGroup")
    group_name = group_name or f"/aws/lambda/{config['FunctionName']}"
    now = result.log[-1][0]
    group = cloudwatch_logs._log_groups.setdefault(  # noqa: SLF001
        group_name,
        {
            "arn": cloudwatch_logs._make_group_arn(group_name),  # noqa: SLF001
            "creationTime": now,
            "retentionInDays": None,
            "tags": {},
            "subscriptionFilters": {},
            "streams": {},
        },
    )
    stream = group["streams"].setdefault(
        result.log_stream,
        {
            "events": [],
            "uploadSequenceToken": "1",
            "creationTime": now,
            "firstEventTimestamp": None,
            "lastEventTimestamp": None,
            "lastIngestionTime": None,
        },
    )
    events = [{"timestamp": at, "message": line, "ingestionTime": now} for at, line in result.log]
    cloudwatch_logs._append_log_events(stream, events)  # noqa: SLF001
    cloudwatch_logs._fanout_to_subscription_filters(  # noqa: SLF001
        group_name, result.log_stream, [{"timestamp": at, "message": m} for at, m in result.log]
    )
