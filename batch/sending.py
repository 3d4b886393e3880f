"""Batches of photos through `POST /process_batch`: asked again where it may help, or split."""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeAlias

import httpx

from batch.errors import BatchError
from batch.outcomes import SERVER_FAULT, Outcome, refused_photo
from batch.packing import body_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Rest = Callable[[float], object]

TIMEOUT_SECONDS = 35.0
"""For a reply: API Gateway gives up after 29 s."""

_ATTEMPTS_OF_A_HALF = 2
"""The whole batch had all attempts already: now the photo that is to blame is looked for."""

_QUERY = {"bad_photos": "null", "details": "true"}
"""Always asked for: the journal is to have all that a later table may tell."""

_SETUP_FAULTS = (
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.METHOD_NOT_ALLOWED,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
)
"""Answers that no photo is to blame for: the next one would get the same."""


class StoppedError(Exception):
    """The job is to end: nothing is asked again."""


class _RefusedError(Exception):
    """The API refuses a batch as it is; `outcome` is what that means for a single photo."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.error)
        self.outcome = outcome


@dataclass(frozen=True, slots=True)
class Backoff:
    """How often, and after which waits, the API is asked again.

    A wait is drawn between 0 and `base * 2**n` seconds, `cap` at most: full jitter, so that those
    who were refused together do not come back together (AWS Architecture Blog, *Exponential Backoff
    And Jitter*).

    Attributes:
        attempts: in all, 1 or more.
        base: seconds.
        cap: seconds.
        draw: a number between two others.
    """

    attempts: int = 6
    base: float = 0.5
    cap: float = 20.0
    draw: Callable[[float, float], float] = random.uniform

    def seconds(self, number: int, at_least: float = 0.0) -> float:
        """How long to wait behind attempt `number`, from 1; `at_least` is what the API asks for."""
        drawn = self.draw(0.0, min(self.cap, self.base * 2 ** (number - 1)))
        return min(self.cap * 3, max(drawn, at_least))


class Sender:
    """Asks one API; may be used by several threads at once.

    Args:
        client: its base address is the API's.
        backoff: how it asks again.
        stop: set when the job is to end; waits end with it.
    """

    def __init__(
        self,
        client: httpx.Client,
        *,
        backoff: Backoff | None = None,
        stop: threading.Event | None = None,
    ) -> None:
        self._client = client
        self._backoff = backoff or Backoff()
        self._stop = stop or threading.Event()

    def send(self, photos: Sequence[bytes]) -> list[Outcome]:
        """What the API says of each photo, in order.

        A batch that is refused is halved until the photo that is to blame stands alone; one that
        the API has no answer to after all attempts likewise. Photos for which there was no time in
        a batch that was answered are asked about again.

        Raises:
            BatchError: the API cannot be reached, is too busy for all attempts, or refuses whoever
                asks, whatever the photos.
            StoppedError: the job is to end.
        """
        return self._send(photos, self._backoff.attempts)

    def _send(self, photos: Sequence[bytes], attempts: int) -> list[Outcome]:
        try:
            outcomes = self._ask(photos, attempts)
        except _RefusedError as refused:
            if len(photos) == 1:
                return [refused.outcome]
            half, fewer = len(photos) // 2, min(attempts, _ATTEMPTS_OF_A_HALF)
            return [*self._send(photos[:half], fewer), *self._send(photos[half:], fewer)]
        return self._ask_again(photos, outcomes)

    def _ask_again(self, photos: Sequence[bytes], outcomes: list[Outcome]) -> list[Outcome]:
        for number in range(1, self._backoff.attempts):
            left = [at for at, each in enumerate(outcomes) if each.is_passing]
            if not left:
                break
            self._wait(self._backoff.seconds(number))
            try:
                found = self._ask([photos[at] for at in left], _ATTEMPTS_OF_A_HALF)
            except _RefusedError:
                continue
            for at, outcome in zip(left, found, strict=True):
                outcomes[at] = outcome
        return outcomes

    def _ask(self, photos: Sequence[bytes], attempts: int) -> list[Outcome]:
        """One request's outcomes, after as many attempts as it takes."""
        body = body_of(photos)
        for number in range(1, attempts + 1):
            last = number == attempts
            try:
                reply = self._client.post(
                    "process_batch",
                    content=body,
                    params=_QUERY,
                    headers={"Content-Type": "application/json", "Accept": "application/json"},
                )
            except httpx.TransportError as error:
                if last:
                    raise _unreachable(self._client, error) from error
                self._wait(self._backoff.seconds(number))
                continue
            if not _may_pass(reply):
                return _read(reply, len(photos))
            if last:
                raise _given_up(reply, number)
            self._wait(self._backoff.seconds(number, _asked_wait(reply)))
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _wait(self, seconds: float) -> None:
        if self._stop.wait(seconds):
            raise StoppedError


def _may_pass(reply: httpx.Response) -> bool:
    return reply.status_code == HTTPStatus.TOO_MANY_REQUESTS or reply.is_server_error


def _asked_wait(reply: httpx.Response) -> float:
    """Seconds that Retry-After asks for; its other form, a date, is left to the back-off."""
    text = reply.headers.get("retry-after", "")
    return float(text) if text.isascii() and text.isdecimal() else 0.0


def _read(reply: httpx.Response, count: int) -> list[Outcome]:
    if reply.status_code in _SETUP_FAULTS:
        raise BatchError(
            f"{reply.url.copy_with(query=None)} answered {reply.status_code}: {_words(reply)}",
            hint="is it the API's address, and does it ask for a --key?",
        )
    if not reply.is_success:
        message, hint = _message_and_hint(reply)
        code = str(_document(reply).get("code") or f"http_{reply.status_code}")
        # Of a batch of one, which is where the search for the photo to blame ends.
        raise _RefusedError(refused_photo(message.removeprefix("images[0]: "), hint, code))
    document = _document(reply)
    predictions = document.get("predictions")
    if not isinstance(predictions, list) or len(predictions) != count:
        raise BatchError(
            f"{reply.url.copy_with(query=None)} answered {reply.text[:200]!r}:"
            f' expected {{"predictions": [...]}} of {count}',
            hint="is it the address of a Snapshelf API?",
        )
    return _outcomes(predictions, document)


def _outcomes(predictions: list[Any], document: dict[str, Any]) -> list[Outcome]:
    errors = {each.get("index"): each for each in document.get("errors") or ()}
    details = document.get("details") or [None] * len(predictions)
    found = []
    for at, (prediction, detail) in enumerate(zip(predictions, details, strict=True)):
        if prediction is None:
            error = errors.get(at, {})
            message, hint = error.get("message", "no reason given"), error.get("hint", "")
            found.append(refused_photo(message, hint, str(error.get("code", "unknown"))))
        else:
            found.append(_detailed(Outcome(int(prediction)), detail))
    return found


def _detailed(outcome: Outcome, detail: dict[str, Any] | None) -> Outcome:
    if detail is None:
        return outcome
    return replace(
        outcome,
        label=str(detail["label"]),
        confidence=float(detail["confidence"]),
        verdict=str(detail["verdict"]),
    )


def _given_up(reply: httpx.Response, attempts: int) -> Exception:
    if reply.status_code == HTTPStatus.TOO_MANY_REQUESTS:
        return BatchError(
            f"{reply.url.copy_with(query=None)} was too busy {attempts} times: {_words(reply)}",
            hint="run the same command again later, or with a smaller --concurrency",
        )
    said = f"{reply.status_code} {attempts} times: {_words(reply)}"
    return _RefusedError(Outcome(error=said, code=SERVER_FAULT))


def _unreachable(client: httpx.Client, error: Exception) -> BatchError:
    return BatchError(
        f"{client.base_url} does not answer: {error or type(error).__name__}",
        hint="is it up, and is the address right? The same command goes on from here",
    )


def _document(reply: httpx.Response) -> dict[str, Any]:
    try:
        document = reply.json()
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _message_and_hint(reply: httpx.Response) -> tuple[str, str]:
    """What an error's reply says: ours, the gateway's, or another server's."""
    document = _document(reply)
    message = document.get("message") or document.get("Message") or reply.text[:200]
    return str(message).strip() or reply.reason_phrase, str(document.get("hint") or "")


def _words(reply: httpx.Response) -> str:
    message, hint = _message_and_hint(reply)
    return f"{message} ({hint})" if hint else message


Send: TypeAlias = "Callable[[Sequence[bytes]], list[Outcome]]"
"""What the job asks of a sender."""
