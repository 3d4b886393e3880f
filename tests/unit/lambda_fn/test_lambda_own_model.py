"""The model in the function's own bundle, asked as an endpoint is."""

from __future__ import annotations

import json
import sys
from types import SimpleNamespace

import pytest
from chalicelib import own_model
from chalicelib.errors import RefusedPhotoError
from chalicelib.photo_request import Photo

from contracts import EndpointError

PHOTO = Photo(b"bytes", "image/jpeg")
VERBOSE = {"probabilities": [0.1, 0.9], "labels": ["book", "car"], "model_version": "v7"}


@pytest.fixture
def program(monkeypatch):
    """A module by name that answers as told, and remembers how it was opened and asked."""
    told = SimpleNamespace(answer=(200, VERBOSE), opened=None, asked=[])

    def ask(*request):
        told.asked.append(request)
        status, document = told.answer
        return status, "application/json", json.dumps(document).encode()

    def open_model(folder, threads):
        told.opened = (folder, threads)
        return ask

    monkeypatch.setitem(sys.modules, "a_program", SimpleNamespace(open_model=open_model))
    return told


@pytest.mark.parametrize(("memory", "threads"), [(128, 1), (1769, 1), (3538, 2), (10240, 6)])
def test_model_is_opened_with_the_processors_that_memory_brings(program, memory, threads):
    """Threads beyond Lambda's share of a processor would only wait for each other."""
    environ = {"LAMBDA_TASK_ROOT": "/var/task", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(memory)}
    own_model.open_endpoint("a_program", "model", environ)
    assert program.opened == ("/var/task/model", threads)


def test_answer_is_read_as_an_endpoints(program):
    """The same request as an endpoint's, and the same reading of the reply."""
    prediction = own_model.open_endpoint("a_program", "model", {}).classify(PHOTO)
    assert (prediction.labels, prediction.probabilities) == (("book", "car"), (0.1, 0.9))
    assert program.asked == [(b"bytes", "image/jpeg", "application/json;verbose", "")]


def test_card_is_asked_for_by_custom_attributes(program):
    """As at an endpoint."""
    program.answer = (200, {"classes": ["book", "car"]})
    assert own_model.open_endpoint("a_program", "model", {}).describe() == program.answer[1]
    assert program.asked[0][3] == "method=describe"


def test_refused_photo_is_the_clients_fault(program):
    """Status, code and words are the model's own."""
    program.answer = (400, {"code": "unreadable_photo", "message": "no photo", "hint": "mend it"})
    with pytest.raises(RefusedPhotoError, match="no photo") as raised:
        own_model.open_endpoint("a_program", "model", {}).classify(PHOTO)
    assert (raised.value.status, raised.value.code) == (400, "unreadable_photo")


def test_model_that_fails_is_not_the_clients_fault(program):
    """502, as where an endpoint's container fails."""
    program.answer = (500, {"code": "internal", "message": "the prediction failed"})
    with pytest.raises(Exception, match="failed") as raised:
        own_model.open_endpoint("a_program", "model", {}).classify(PHOTO)
    assert type(raised.value).__name__ == EndpointError.__name__
    assert raised.value.status == 502
