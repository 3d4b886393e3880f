"""Asking the API: what is asked again, what is split, and what ends the job."""

import base64
import json
import threading

import httpx
import pytest
from batch_api import BAD, answer, photo_of

from batch.errors import BatchError
from batch.outcomes import SERVER_FAULT
from batch.sending import Backoff, Sender, StoppedError


class Scripted:
    """A transport: each step is a status, an exception, a reply, or None for the API's answer."""

    def __init__(self, *steps, headers=None):
        self.steps, self.headers = list(steps), headers or {}
        self.sizes = []

    def __call__(self, request):
        images = json.loads(request.content)["images"]
        self.sizes.append(len(images))
        step = self.steps.pop(0) if self.steps else None
        if isinstance(step, Exception):
            raise step
        if isinstance(step, dict):
            return httpx.Response(200, json=step)
        if step is not None:
            return httpx.Response(step, json={"message": f"fault {step}"}, headers=self.headers)
        status, document = answer(images, dict(request.url.params))
        return httpx.Response(status, json=document)


class Waits:
    """In the place of the event that ends a job: notes how long was waited, and does not."""

    def __init__(self, stop_at=None):
        self.seconds, self.stop_at = [], stop_at

    def wait(self, seconds):
        self.seconds.append(seconds)
        return len(self.seconds) == self.stop_at


def sender(script, waits=None, **options):
    client = httpx.Client(transport=httpx.MockTransport(script), base_url="http://shelf/api/")
    backoff = Backoff(draw=lambda _low, high: high)
    return Sender(client, backoff=backoff, stop=waits or Waits(), **options)


def test_predictions_come_back_in_order():
    """One number a photo, with label, confidence and verdict beside it."""
    found = sender(Scripted()).send([photo_of(n) for n in (3, 1, 2)])
    assert [each.prediction for each in found] == [3, 1, 2]
    sure, unsure = found[1:]
    assert (sure.label, sure.confidence, sure.verdict) == ("class 1", 0.9, "class 1")
    assert (unsure.label, unsure.confidence, unsure.verdict) == ("class 2", 0.4, "none")


def test_an_api_that_tells_numbers_alone_is_enough():
    """The department's own knows two members and no more."""
    (found,) = sender(Scripted({"predictions": [3]})).send([photo_of(3)])
    assert (found.prediction, found.label, found.confidence) == (3, "", None)


def test_a_bad_photo_is_given_up_with_its_reason_and_no_other():
    """The API names it in place, and the batch is not sent again."""
    script = Scripted()
    found = sender(script).send([photo_of(1), BAD, photo_of(2)])
    assert [each.prediction for each in found] == [1, None, 2]
    assert found[1].error.startswith("no photo (")
    assert found[1].code == "unreadable_photo"
    assert script.sizes == [3]


@pytest.mark.parametrize(
    ("code", "mend"),
    [
        ("unreadable_photo", "export it again as JPEG"),
        ("unsupported_media_type", "export it as JPEG"),
        ("photo_too_large", "make it smaller"),
    ],
)
def test_a_refused_photo_has_its_mend_in_words_for_whoever_reads_the_table(code, mend):
    """What the API tells programmers, such as which JSON to send, is no help to a clerk."""
    hint = 'send {"image": "<base64>"} as application/json'
    error = {"index": 0, "code": code, "message": "no photo", "hint": hint}
    (found,) = sender(Scripted({"predictions": [None], "errors": [error]})).send([BAD])
    assert mend in found.error
    assert "json" not in found.error
    assert found.error.startswith("no photo")


def test_the_mend_is_the_same_where_the_whole_batch_is_refused():
    """By an API that knows no `bad_photos`, of which the last half is the photo itself."""

    def older(_request):
        told = {"code": "bad_request", "message": "images[0]: no photo", "hint": "send {"}
        return httpx.Response(400, json=told)

    (found,) = sender(older).send([BAD])
    assert (
        found.error == "no photo (is it a photo, and whole? Open it, and export it again as JPEG)"
    )


def test_an_older_api_that_refuses_the_batch_is_asked_by_halves():
    """It knows no `bad_photos`: the photo to blame is found all the same."""
    photos = [photo_of(1), photo_of(2), BAD, photo_of(3)]

    def older(request):
        status, document = answer(json.loads(request.content)["images"], {})
        return httpx.Response(status, json=document)

    found = sender(older).send(photos)
    assert [each.prediction for each in found] == [1, 2, None, 3]
    assert found[2].code == "bad_request"


@pytest.mark.parametrize("step", [429, 500, 502, 503, 504, httpx.ConnectError("refused")])
def test_what_may_pass_is_asked_again_after_growing_waits(step):
    """Each wait is drawn below twice the one before: full jitter."""
    script, waits = Scripted(step, step, step), Waits()
    found = sender(script, waits).send([photo_of(7)])
    assert found[0].prediction == 7
    assert waits.seconds == [0.5, 1.0, 2.0]


def test_a_wait_is_drawn_from_nothing_up_and_capped():
    """Between 0 and the smaller of base * 2^n and the cap."""
    asked = []
    backoff = Backoff(base=1, cap=5, draw=lambda low, high: asked.append((low, high)) or 0.25)
    assert [backoff.seconds(n) for n in (1, 2, 3, 4)] == [0.25] * 4
    assert asked == [(0.0, 1), (0.0, 2), (0.0, 4), (0.0, 5)]


def test_retry_after_is_heeded():
    """The API's own word is waited for where it is longer than the draw."""
    waits = Waits()
    sender(Scripted(503, headers={"Retry-After": "3"}), waits).send([photo_of(1)])
    assert waits.seconds == [3.0]


def test_an_api_that_is_not_there_ends_the_job_and_blames_no_photo():
    """Its address and the mend are told."""
    script = Scripted(*[httpx.ConnectError("refused")] * 9)
    with pytest.raises(BatchError, match="http://shelf/api/ does not answer: refused") as caught:
        sender(script).send([photo_of(1)] * 8)
    assert len(script.sizes) == Backoff().attempts
    assert "goes on from here" in caught.value.hint


def test_an_api_that_stays_too_busy_ends_the_job():
    """A photo more or less would not help."""
    with pytest.raises(BatchError, match="too busy 6 times: fault 429"):
        sender(Scripted(*[429] * 9)).send([photo_of(1), photo_of(2)])


@pytest.mark.parametrize("status", [401, 403, 404, 405, 415])
def test_an_answer_that_no_photo_is_to_blame_for_ends_the_job_at_once(status):
    """A wrong key or address would cost every photo its turn."""
    script = Scripted(status)
    with pytest.raises(BatchError, match=f"answered {status}: fault {status}"):
        sender(script).send([photo_of(1), photo_of(2)])
    assert script.sizes == [2]


def test_a_photo_that_breaks_the_server_is_found_and_given_up():
    """500 for every batch that it is in, after all attempts; its neighbours are answered."""

    def breaking(request):
        images = [base64.b64decode(each) for each in json.loads(request.content)["images"]]
        if photo_of(9) in images:
            return httpx.Response(500, json={"code": "batch_failed", "message": "boom"})
        return httpx.Response(200, json={"predictions": [int(p.split()[1]) for p in images]})

    found = sender(breaking).send([photo_of(n) for n in (1, 2, 9, 3)])
    assert [each.prediction for each in found] == [1, 2, None, 3]
    assert (found[2].code, found[2].error) == (SERVER_FAULT, "500 2 times: boom")


def test_photos_that_the_deadline_left_out_are_asked_about_again_alone():
    """The API names them in place with `endpoint_timeout`; the others are not sent twice."""
    late = {"index": 1, "code": "endpoint_timeout", "message": "no time", "hint": ""}
    script = Scripted({"predictions": [4, None, 6], "errors": [late]})
    found = sender(script).send([photo_of(n) for n in (4, 5, 6)])
    assert [each.prediction for each in found] == [4, 5, 6]
    assert script.sizes == [3, 1]


@pytest.mark.parametrize("reply", [{"predictions": [1]}, {"predictions": "12"}, {"answer": 1}])
def test_a_reply_that_is_not_the_contracts_ends_the_job(reply):
    """Too few numbers would give photos the answers of others."""
    with pytest.raises(BatchError, match=r"expected \{.predictions.: \[...\]\} of 2"):
        sender(Scripted(reply)).send([photo_of(1), photo_of(2)])


def test_a_job_that_is_to_end_waits_no_longer():
    """SIGTERM during a back-off of twenty seconds ends the run at once."""
    script = Scripted(503, 503, 503)
    with pytest.raises(StoppedError):
        sender(script, Waits(stop_at=2)).send([photo_of(1)])
    assert script.sizes == [1, 1]


def test_the_event_that_stops_is_the_jobs_own():
    """An event that is set already lets the first wait end the job."""
    stop = threading.Event()
    stop.set()
    with pytest.raises(StoppedError):
        sender(Scripted(503), stop).send([photo_of(1)])
