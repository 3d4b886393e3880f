"""Another artifact in the model's folder is noticed once it holds still."""

import asyncio
import os
import shutil

import pytest

from contracts import ArtifactError
from hosting.metrics import Metrics
from hosting.model import Model
from hosting.reloading import Watch, reload_model, reload_when_changed
from hosting.service import Service


@pytest.fixture
def folder(make_artifact):
    """An artifact's."""
    return make_artifact()


@pytest.fixture
def watch(folder):
    """A watch on it."""
    return Watch(folder)


def test_a_folder_that_stays_is_no_change(watch):
    """However often it is looked at."""
    assert [watch.changed() for _ in range(3)] == [False] * 3


def test_a_change_is_told_once_when_it_has_settled(folder, watch):
    """At the second look that finds the same."""
    (folder / "model-card.json").write_text("{}")
    assert [watch.changed() for _ in range(4)] == [False, True, False, False]


def test_an_artifact_that_is_still_being_written_is_none_yet(folder, watch):
    """Each look finds more of it; the change is told when it has ended."""
    found = []
    for size in range(3):
        (folder / "model.onnx").write_bytes(bytes(size))
        found.append(watch.changed())
    assert [*found, watch.changed()] == [False, False, False, True]


def test_a_file_of_the_same_size_and_time_is_another(folder, watch):
    """Renamed over the old one, as careful writers do."""
    card = folder / "model-card.json"
    status = card.stat()
    shutil.copy2(card, folder / "next")
    os.utime(folder / "next", ns=(status.st_atime_ns, status.st_mtime_ns))
    (folder / "next").rename(card)
    assert [watch.changed(), watch.changed()] == [False, True]


def test_a_folder_that_is_being_replaced_is_looked_at_later(folder, watch):
    """Between two renames there is none: no error, and no change until there is one again."""
    folder.rename(folder.with_name("before"))
    assert not watch.changed()
    shutil.copytree(folder.with_name("before"), folder)
    assert [watch.changed(), watch.changed()] == [False, True]


def test_what_was_accepted_is_not_told_again(folder, watch):
    """Who was asked to load it has."""
    (folder / "model-card.json").write_text("{}")
    watch.accept()
    assert [watch.changed(), watch.changed()] == [False, False]


def test_photos_under_way_are_answered_by_the_model_they_came_to(model, red_photo, make_artifact):
    """And those that come after the reload by the new one."""
    service = Service(model, Metrics())

    async def work():
        under_way = asyncio.create_task(service.answer([red_photo]))
        await asyncio.sleep(0)
        assert await reload_model(service, lambda: other)
        return await under_way, await service.answer([red_photo])

    other = Model.load(make_artifact(), threads=1)
    (first, _), (second, _) = asyncio.run(work())
    assert first is model
    assert second is other


def test_a_model_that_cannot_be_loaded_leaves_the_one_in_service(model, caplog):
    """The log says why, and the metrics count it."""
    service = Service(model, Metrics())

    def load():
        raise ArtifactError("model.onnx is cut", hint="copy it again")

    assert not asyncio.run(reload_model(service, load))
    assert service.model is model
    assert "model.onnx is cut (copy it again)" in caplog.text
    told = service.metrics.registry.get_sample_value
    assert told("snapshelf_reloads_total", {"outcome": "refused"}) == 1


def test_who_asks_is_not_made_to_wait_for_the_folder(model, folder, watch, monkeypatch):
    """The event alone is enough, without a look at the folder in between."""
    service = Service(model, Metrics())

    async def work():
        asked, replaced = asyncio.Event(), asyncio.Event()
        monkeypatch.setattr(service, "replace", lambda _: replaced.set())
        reloading = reload_when_changed(service, lambda: model, watch, asked, 0)
        task = asyncio.create_task(reloading)
        asked.set()
        await asyncio.wait_for(replaced.wait(), 60)
        task.cancel()
        return asked.is_set()

    assert not asyncio.run(work())
