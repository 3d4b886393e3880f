"""The routes, from API Gateway's event to its proxy response."""

from __future__ import annotations

import json

import pytest
from lambda_events import CARD, LABELS, data_url, photo_bytes

JSON_HEADERS = {"Content-Type": "application/json"}


def classify_json(call, image, **parts):
    body = json.dumps({"image": image})
    return call("POST", "/classify", body=body, headers=JSON_HEADERS, **parts)


def test_a_data_url_is_classified(call, endpoint):
    """The endpoint gets the photo's very bytes; the reply ranks the categories."""
    photo = photo_bytes()
    endpoint.predicts(
        [0.01, 0.02, 0.03, 0.9, 0.03, 0.01],
        Body=photo,
        ContentType="image/jpeg",
        Accept="application/json;verbose",
    )

    reply = classify_json(call, data_url(photo))

    assert reply.status == 200
    assert reply.json["verdict"] == "mobile"
    assert reply.json["categories"][0] == {"category": "mobile", "probability": 0.9}
    probabilities = [entry["probability"] for entry in reply.json["categories"]]
    assert probabilities == sorted(probabilities, reverse=True)
    assert len(probabilities) == 5
    assert reply.json["model_version"] == "v7"
    assert reply.json["request_id"] == "c6af9ac6-7b61-11e6-9a41-93e8deadbeef"
    assert reply.json["times_ms"]["model"] == 4.5
    assert 0 <= reply.json["times_ms"]["endpoint"] <= reply.json["times_ms"]["total"]
    endpoint.is_spent()


@pytest.mark.parametrize(
    ("kind", "header", "sent_as"),
    [
        ("JPEG", "image/jpeg", "image/jpeg"),
        ("JPEG", "image/jpg", "image/jpeg"),
        ("PNG", "image/png", "image/png"),
        ("WEBP", "IMAGE/WEBP", "image/webp"),
        ("GIF", "application/octet-stream", "application/x-image"),
        ("BMP", "application/x-image", "application/x-image"),
        ("PNG", "image/jpeg", "image/png"),
    ],
)
def test_raw_photo_bytes_are_classified_by_what_they_are(call, endpoint, kind, header, sent_as):
    """The first bytes tell the type for the endpoint, whatever the header claims."""
    photo = photo_bytes(kind)
    endpoint.predicts([0.1, 0.9], Body=photo, ContentType=sent_as)

    reply = call("POST", "/classify", body=photo, headers={"content-type": header})

    assert reply.status == 200
    assert reply.json["verdict"] == "car"


def test_a_multipart_file_is_classified(call, endpoint):
    """The field `file` of a form is the photo; other fields are passed over."""
    photo = photo_bytes("PNG")
    form = (
        b'--x\r\nContent-Disposition: form-data; name="note"\r\n\r\nhello\r\n'
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n'
        b"Content-Type: image/png\r\n\r\n" + photo + b"\r\n--x--\r\n"
    )
    endpoint.predicts([0.1, 0.9], Body=photo, ContentType="image/png")

    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    assert call("POST", "/classify", body=form, headers=headers).status == 200


def test_json_that_the_gateway_encoded_is_read_all_the_same(call, endpoint):
    """With `*/*` among a gateway's binary types, JSON too arrives as base64."""
    photo = photo_bytes()
    endpoint.predicts([0.1, 0.9], Body=photo)
    body = json.dumps({"image": data_url(photo)}).encode()

    assert call("POST", "/classify", body=body, headers=JSON_HEADERS).status == 200


def test_a_missing_content_type_means_json(call, endpoint):
    """A body without Content-Type is read as JSON."""
    endpoint.predicts([0.1, 0.9])
    body = json.dumps({"image": data_url(photo_bytes())})
    assert call("POST", "/classify", body=body).status == 200


@pytest.mark.parametrize("accept", ["*/*", "image/webp,*/*", "application/json", "text/html"])
def test_replies_are_text_whatever_is_accepted(call, endpoint, accept):
    """An Accept header of binary types, as browsers send, neither refuses nor encodes the JSON."""
    endpoint.predicts([0.1, 0.9])
    headers = {"Content-Type": "image/jpeg", "Accept": accept}
    reply = call("POST", "/classify", body=photo_bytes(), headers=headers)
    assert reply.status == 200


def test_below_the_threshold_the_verdict_is_none(call, endpoint):
    """The best category is listed, but not named as the verdict."""
    endpoint.predicts([0.4, 0.35, 0.25])
    reply = classify_json(call, data_url(photo_bytes()))
    assert reply.json["verdict"] == "none"
    assert reply.json["categories"][0]["category"] == "books"


def test_at_the_threshold_the_verdict_is_the_best_category(call, endpoint):
    """The threshold is the least probability that names a category."""
    endpoint.predicts([0.5, 0.5 - 1e-9])
    assert classify_json(call, data_url(photo_bytes())).json["verdict"] == "books"


@pytest.mark.parametrize(
    ("probabilities", "expected"), [([0.4, 0.6], ("car", None)), ([0.51, 0.49], ("books", None))]
)
def test_a_named_category_has_no_reason(call, endpoint, probabilities, expected):
    """`reason` is null then."""
    endpoint.predicts(probabilities)
    reply = classify_json(call, data_url(photo_bytes()))
    assert (reply.json["verdict"], reply.json["reason"]) == expected


def test_an_endpoint_of_old_gives_no_verdict(call, endpoint):
    """The threshold decides, and the reason is told."""
    endpoint.predicts([0.4, 0.35, 0.25])
    assert classify_json(call, data_url(photo_bytes())).json["reason"] == "below threshold"


@pytest.mark.parametrize("reason", ["unfamiliar", "below threshold"])
def test_the_endpoints_own_verdict_is_passed_on(call, endpoint, reason):
    """However probable its best category is."""
    trusted = {"verdict": "none", "reason": reason, "thresholds": [0.9, None], "energy": 0.5}
    reply = {"probabilities": [0.99, 0.01], "labels": LABELS[:2], "threshold": 0.9}
    endpoint.answers(reply | trusted)
    found = classify_json(call, data_url(photo_bytes())).json
    assert (found["verdict"], found["reason"], found["threshold"]) == ("none", reason, 0.9)
    assert found["categories"][0]["category"] == "books"


@pytest.mark.parametrize("top_k", [1, 6])
def test_top_k_limits_the_categories(call, endpoint, top_k):
    """`top_k` may be anything from 1 to the number of categories."""
    endpoint.predicts([0.1, 0.1, 0.1, 0.4, 0.2, 0.1])
    reply = classify_json(call, data_url(photo_bytes()), query={"top_k": str(top_k)})
    assert len(reply.json["categories"]) == top_k


@pytest.mark.parametrize("top_k", ["0", "-1", "two", "1.5", "", "9" * 5000])
def test_a_bad_top_k_is_refused_before_the_endpoint_is_asked(call, endpoint, top_k):
    """Words, zero and endless numbers are the client's fault."""
    reply = classify_json(call, data_url(photo_bytes()), query={"top_k": top_k})
    assert (reply.status, reply.json["code"]) == (400, "bad_request")
    assert "top_k" in reply.json["message"]
    assert len(reply.json["message"]) < 200


def test_a_top_k_above_the_number_of_categories_is_refused(call, endpoint):
    """The message says how many categories there are."""
    endpoint.predicts([0.1, 0.9])
    reply = classify_json(call, data_url(photo_bytes()), query={"top_k": "3"})
    assert reply.status == 400
    assert "1 to 2" in reply.json["message"]


HEATMAP = {"category": "books", "method": "occlusion", "png": "iVBORw0KGgo="}
MORE = {
    "probabilities": [0.8, 0.2],
    "labels": LABELS[:2],
    "embedding": [0.5, -1.25],
    "heatmap": HEATMAP,
}


def classify_with(call, *, query=None, **members):
    body = json.dumps({"image": data_url(photo_bytes()), **members})
    headers = {"Content-Type": "application/json"}
    return call("POST", "/classify", body=body, headers=headers, query=query)


@pytest.mark.parametrize(
    "asked",
    [
        {"embedding": True, "heatmap": True},
        {"query": {"embedding": "true", "heatmap": "true"}},
        {"embedding": True, "query": {"embedding": "false", "heatmap": "true"}},
    ],
)
def test_an_embedding_and_a_heat_map_are_passed_on(call, endpoint, asked):
    """Asked for in the JSON or the query; the JSON goes before."""
    endpoint.answers(MORE, CustomAttributes="embedding=true,heatmap=true")
    reply = classify_with(call, **asked)
    assert reply.status == 200
    assert (reply.json["embedding"], reply.json["heatmap"]) == ([0.5, -1.25], HEATMAP)


def test_a_photos_bytes_are_asked_for_more_by_the_query(call, endpoint):
    """A body that is a photo has no members."""
    endpoint.answers(MORE, CustomAttributes="heatmap=true")
    headers = {"Content-Type": "image/jpeg"}
    query = {"heatmap": "true"}
    reply = call("POST", "/classify", body=photo_bytes(), headers=headers, query=query)
    assert reply.json["heatmap"] == HEATMAP
    assert "embedding" not in reply.json


def test_what_is_not_asked_for_is_not_told(call, endpoint):
    """The endpoint is asked as ever, and whatever it says beside it stays here."""
    endpoint.answers(MORE)
    reply = classify_with(call, embedding=False, top_k=None)
    assert {"embedding", "heatmap"}.isdisjoint(reply.json)


def test_top_k_may_stand_in_the_json(call, endpoint):
    """As in the query, and before it."""
    endpoint.predicts([0.1, 0.7, 0.2])
    reply = classify_with(call, top_k=1, query={"top_k": "3"})
    assert [each["category"] for each in reply.json["categories"]] == ["car"]


@pytest.mark.parametrize(
    "asked",
    [
        {"embedding": "true"},
        {"heatmap": 1},
        {"heatmap": None},
        {"query": {"embedding": "yes"}},
        {"query": {"heatmap": ""}},
        {"top_k": 0},
        {"top_k": True},
        {"top_k": 1.5},
        {"top_k": "3"},
        {"top_k": [3] * 1000},
    ],
)
def test_an_option_of_another_kind_is_refused_before_the_endpoint_is_asked(call, endpoint, asked):
    """Nothing is guessed: the option is named, with what it takes."""
    reply = classify_with(call, **asked)
    assert (reply.status, reply.json["code"]) == (400, "bad_request")
    (name,) = asked.get("query", asked)
    assert name in reply.json["message"]
    assert "expected" in reply.json["message"]
    assert len(reply.json["message"]) < 200


def test_a_model_that_tells_no_embedding_is_told_in_its_own_words(call, endpoint):
    """400 with the model's code and mend."""
    words = {"code": "no_embedding", "message": "tells no embedding", "hint": "train it again"}
    endpoint.fails(
        "ModelError", OriginalStatusCode=400, OriginalMessage=json.dumps(words), LogStreamArn="arn"
    )
    reply = classify_with(call, embedding=True)
    assert (reply.status, reply.json["code"]) == (400, "no_embedding")
    assert reply.json["hint"] == "train it again"


@pytest.mark.parametrize("name", ["embedding", "heatmap"])
def test_an_endpoint_that_leaves_out_what_was_asked_for_is_at_fault(call, endpoint, name):
    """A container of an older version: 502, and how to get an answer."""
    told = {key: value for key, value in MORE.items() if key != name}
    endpoint.answers(told, CustomAttributes="embedding=true,heatmap=true")
    reply = classify_with(call, embedding=True, heatmap=True)
    assert (reply.status, reply.json["code"]) == (502, "endpoint")
    assert f"gave no {name}" in reply.json["message"]


@pytest.mark.parametrize("broken", [{"embedding": "abc"}, {"heatmap": {}}, {"heatmap": 3}])
def test_an_endpoint_that_answers_something_else_is_at_fault(call, endpoint, broken):
    """502: neither numbers nor a picture."""
    endpoint.answers(MORE | broken, CustomAttributes="embedding=true,heatmap=true")
    reply = classify_with(call, embedding=True, heatmap=True)
    assert (reply.status, reply.json["code"]) == (502, "endpoint")


def test_the_categories_are_the_model_cards(call, endpoint):
    """Class order is kept; the model is named."""
    endpoint.answers(
        CARD, Body=b"{}", CustomAttributes="method=describe", ContentType="application/json"
    )
    reply = call("GET", "/categories")
    assert reply.status == 200
    assert reply.json["categories"] == LABELS
    assert reply.json["model_version"] == "v7"
    assert reply.json["photo"] == {"size": 112, "fit": "squash"}


def test_health_is_ok_when_the_endpoint_answers(call, endpoint):
    """Health names the version of the model that answers."""
    endpoint.answers(CARD, CustomAttributes="method=describe")
    reply = call("GET", "/health")
    assert (reply.status, reply.json["status"], reply.json["model_version"]) == (200, "ok", "v7")


def test_health_is_503_when_there_is_no_endpoint(call, endpoint):
    """A load balancer can tell from the status alone."""
    endpoint.fails("ValidationError", "Endpoint shelf of account 000000000000 not found.")
    reply = call("GET", "/health")
    assert (reply.status, reply.json["code"]) == (503, "endpoint_unavailable")


def test_a_function_without_endpoint_name_says_so(call, lambda_app, monkeypatch):
    """A forgotten ENDPOINT_NAME is a clear 503, not a crash at import."""
    monkeypatch.setattr(lambda_app, "ENDPOINT_NAME", "")
    lambda_app.endpoint.cache_clear()
    reply = call("GET", "/health")
    assert reply.status == 503
    assert "ENDPOINT_NAME" in reply.json["message"]
