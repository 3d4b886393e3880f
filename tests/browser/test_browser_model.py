"""The page prepares a photo as the service's model wants it, whenever the service says so."""

from __future__ import annotations

import io
import json
import re

import page_actions
import pytest
from page_actions import state
from PIL import Image, ImageChops, ImageStat
from playwright.sync_api import expect

from photo import prepare_photo

PAD_64 = {"size": 64, "fit": "pad"}
CROP_160 = {"size": 160, "fit": "crop"}
SQUASH_112 = {"size": 112, "fit": "squash"}
CORS = {"Access-Control-Allow-Origin": "*"}


def striped(size=(640, 320)):
    """Upright stripes in four colours, as a PNG: no two fits make the same picture of it."""
    image = Image.new("RGB", size)
    width, height = size
    for index, colour in enumerate(["#d22", "#2b4", "#24d", "#ccc"]):
        image.paste(colour, (index * width // 4, 0, (index + 1) * width // 4, height))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def choose(page, data, name="photo.png"):
    page_actions.choose(page, data, name, "image/png")


def arrived(stack, data, form):
    """Whether the last photo that arrived is training's picture, encoded as JPEG alike."""
    picture, jpeg = Image.open(io.BytesIO(stack.model.photos[-1])), io.BytesIO()
    prepare_photo(data, **form).save(jpeg, "JPEG", quality=92)
    reference = Image.open(jpeg)
    if picture.size != reference.size:
        return False
    return ImageStat.Stat(ImageChops.difference(picture, reference)).rms[0] < 4


def shown(page, size):
    """The page says how large the picture is that the model sees."""
    fact = page.locator(".facts li").first
    expect(fact).to_have_text(re.compile(f"^{size} . {size} of 640 . 320"))


@pytest.mark.parametrize("form", [PAD_64, CROP_160, SQUASH_112, {"size": 28, "fit": "squash"}])
def test_a_photo_is_sent_as_the_model_wants_it(page, stack, form):
    """Size and fit of GET /categories; the page shows what the model sees."""
    stack.model.photo = form
    page.reload()
    choose(page, striped())
    state(page, "answer")
    assert arrived(stack, striped(), form)
    others = [{"size": form["size"], "fit": fit} for fit in ("squash", "crop", "pad")]
    assert [other for other in others if arrived(stack, striped(), other)] == [form]
    shown(page, form["size"])


@pytest.mark.parametrize(
    "photo",
    [None, {}, {"size": 0, "fit": "stretch"}, {"size": 5000}, {"size": "64"}, {"size": 64.5}],
)
def test_a_model_that_does_not_say_gets_the_default(page, stack, photo):
    """What is missing or senseless is 112 pixels, squashed."""
    stack.model.photo = photo
    page.reload()
    choose(page, striped())
    state(page, "answer")
    assert arrived(stack, striped(), SQUASH_112)


def test_a_photo_that_comes_before_the_description_waits_for_it(page, stack):
    """However quickly a photo is chosen, it is never sent in another shape."""
    stack.model.photo = PAD_64
    held = []
    page.route("**/categories", lambda route: held.append(route))  # noqa: PLW0108 (Playwright marks it)
    page.reload()
    choose(page, striped())
    state(page, "resizing")
    page.wait_for_timeout(300)
    state(page, "resizing")
    assert stack.model.photos == []
    held.pop().continue_()
    state(page, "answer")
    assert arrived(stack, striped(), PAD_64)
    assert len(stack.model.photos) == 1


def test_the_description_is_asked_for_once(page, stack):
    """Opening the page is enough; a photo costs no request more than its own."""
    page.wait_for_load_state("networkidle")  # what the page asked as it was opened is over
    asked = []
    page.on("request", lambda sent: asked.append(sent.url.rpartition("/")[2]))
    page.reload()
    for name in ("one.png", "two.png"):
        choose(page, striped(), name)
        state(page, "answer")
    assert len(stack.model.photos) == 2
    assert asked.count("categories") == 1


@pytest.mark.console(allows="502")
def test_a_description_that_failed_is_asked_for_again(page, stack):
    """Until it is there, photos are sent by the default."""
    stack.model.photo = PAD_64
    words = json.dumps({"code": "endpoint", "message": "not now", "hint": ""})
    page.route(
        "**/categories",
        lambda route: route.fulfill(
            status=502, body=words, headers=CORS, content_type="application/json"
        ),
    )
    page.reload()
    choose(page, striped())
    state(page, "answer")
    assert arrived(stack, striped(), SQUASH_112)

    page.unroute("**/categories")
    choose(page, striped(), "another.png")
    state(page, "answer")
    assert arrived(stack, striped(), PAD_64)


@pytest.mark.console(allows="ERR_")
def test_a_photo_of_an_offline_page_is_prepared_anew_once_it_knows_the_model(page, stack):
    """A page that opened without the service sends nothing by the default once it is there."""
    stack.model.photo = PAD_64
    page.route("**/categories", lambda route: route.abort("internetdisconnected"))
    page.route("**/classify", lambda route: route.abort("connectionrefused"))
    page.reload()
    choose(page, striped())
    state(page, "failure")
    page.unroute("**/categories")
    page.unroute("**/classify")
    page.get_by_role("button", name="Try again").click()
    state(page, "answer")
    assert arrived(stack, striped(), PAD_64)
    assert len(stack.model.photos) == 1


def test_a_model_that_is_replaced_while_the_page_is_open_gets_its_own_picture(page, stack):
    """The answer's version tells; the photo is prepared anew, and the second answer is shown."""
    expect(page.locator("#known li")).to_have_count(4)
    stack.model.version, stack.model.photo = "colours-2", PAD_64
    choose(page, striped())
    state(page, "answer")
    expect(page.locator(".facts")).to_contain_text("colours-2")
    shown(page, 64)
    assert len(stack.model.photos) == 2
    assert arrived(stack, striped(), PAD_64)


def test_a_model_that_is_replaced_by_one_of_the_same_picture_answers_at_once(page, stack):
    """A photo is sent a second time only where it would be another picture."""
    expect(page.locator("#known li")).to_have_count(4)
    stack.model.version = "colours-2"
    choose(page, striped())
    state(page, "answer")
    assert len(stack.model.photos) == 1
