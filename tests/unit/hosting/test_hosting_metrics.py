"""What the server measures of itself, as Prometheus reads it."""

from prometheus_client.parser import text_string_to_metric_families


def samples(reply):
    """(name, labels) -> value, read by Prometheus' own parser."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(reply.text)
        for sample in family.samples
    }


def test_requests_are_told_by_path_and_status(server, red_photo):
    """A good one, a refused one, and one to a path that is none."""
    server.ask(content=red_photo, Content_Type="image/png")
    server.ask(content=b"no photo", Content_Type="image/png")
    server.ask("GET", "/.env")
    reply = server.ask("GET", "/metrics")
    assert reply.headers["content-type"].startswith("text/plain; version=")
    found = samples(reply)

    def count(path, status):
        return found["snapshelf_requests_total", (("path", path), ("status", status))]

    assert (
        count("/invocations", "200") == count("/invocations", "400") == count("other", "404") == 1
    )
    assert found["snapshelf_request_seconds_count", (("path", "/invocations"),)] == 2
    assert found["snapshelf_requests_under_way", ()] == 1  # the one that asks


def test_photos_are_told_where_they_spend_their_time(server, colours):
    """Decoding a photo, and a run of the network with as many as went together."""
    body = b'--x\r\nContent-Disposition: form-data; name="files"\r\n\r\n'
    forms = b"".join(body + each + b"\r\n" for each in colours) + b"--x--"
    server.ask(content=forms, Content_Type="multipart/form-data; boundary=x")
    found = samples(server.ask("GET", "/metrics"))
    assert found["snapshelf_decode_seconds_count", ()] == 3
    assert found["snapshelf_batch_photos_sum", ()] == 3
    assert found["snapshelf_model_seconds_count", ()] == 1
    assert found["snapshelf_queue_photos", ()] == 0


def test_a_bug_is_counted_as_the_servers_fault(server, red_photo, monkeypatch):
    """500, also where the application answers by an exception."""
    monkeypatch.setattr(type(server.service), "answer", lambda *_: 1 / 0)
    server.ask(content=red_photo, Content_Type="image/png")
    assert server.told("snapshelf_requests_total", path="/invocations", status="500") == 1
