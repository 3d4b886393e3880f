"""The page as its visitor meets it: each way in, each state, with keyboard, phone and dark mode."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
import pytest
from botocore.exceptions import ClientError
from page_stack import SCREENSHOTS, model_error
from PIL import Image
from playwright.sync_api import expect

RED, GREEN, BLUE = (210, 40, 40), (40, 180, 60), (40, 60, 210)


def photo(colour=RED, size=(640, 480), kind="JPEG") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, kind)
    return buffer.getvalue()


def scene(size=(960, 640)) -> bytes:
    """A drawn still life, for screenshots: a red book that leans on a shelf."""
    width, height = size
    y, x = np.mgrid[0:height, 0:width]
    wall = np.stack([236 - 30 * y / height, 224 - 34 * y / height, 205 - 40 * y / height], -1)
    shelf = y > 0.78 * height
    wall[shelf] = (126, 84, 52)
    for index, (tone, wide, tall) in enumerate(
        [((196, 48, 40), 130, 0.5), ((206, 62, 46), 90, 0.42), ((178, 38, 44), 150, 0.56)]
    ):
        left = 200 + index * 190
        book = (x > left) & (x < left + wide) & (y > (0.78 - tall) * height) & ~shelf
        wall[book] = np.array(tone) * (0.8 + 0.2 * ((x[book] - left) / wide))[:, None]
    buffer = io.BytesIO()
    Image.fromarray(wall.clip(0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


def choose(page, data, name="photo.jpg", kind="image/jpeg"):
    page.locator("#file").set_input_files({"name": name, "mimeType": kind, "buffer": data})


def state(page, name):
    expect(page.locator("body")).to_have_attribute("data-state", name)


def keep(page, name):
    page.wait_for_timeout(600)  # bars grow for half a second
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)


def as_file(page, data, name, kind):
    """A DataTransfer that holds one file, as a drop or a paste brings it."""
    return page.evaluate_handle(
        """([data, name, type]) => {
          const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
          const transfer = new DataTransfer();
          transfer.items.add(new File([bytes], name, { type }));
          return transfer;
        }""",
        [base64.b64encode(data).decode(), name, kind],
    )


def test_the_empty_page_invites_and_lists_what_the_model_knows(page):
    """Before any photo: what to do, and which categories there are."""
    expect(page.locator("#known li")).to_have_text(["red", "green", "blue", "grey"])
    expect(page.get_by_role("button", name="Choose a photo")).to_be_visible()
    expect(page.locator("#answer")).to_be_hidden()
    keep(page, "empty")


def test_a_chosen_photo_is_answered_with_a_bar_for_each_category(page, stack):
    """Verdict, percentages in order, bars as long as their percentages, and the time taken."""
    choose(page, scene(), "books.jpg")
    state(page, "answer")

    expect(page.locator(".verdict")).to_have_text("red")
    rows = page.locator(".bars li")
    expect(rows).to_have_count(4)
    shares = [
        float(re.sub(r"[^0-9.]", "", text)) for text in page.locator(".percent").all_inner_texts()
    ]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] > 50
    expect(page.locator(".times li")).to_have_text(
        [re.compile(r"Answered in \d+\.\d\d s"), "model 2 ms", "version colours-1"]
    )
    expect(page.locator("#sent .facts")).to_contain_text(re.compile("112 . 112 of 960 . 640"))
    expect(page.locator("#announcement")).to_contain_text("red")
    keep(page, "answer")
    track = page.locator(".track").first.bounding_box()
    fill = page.locator(".fill").first.bounding_box()
    assert fill["width"] / track["width"] == pytest.approx(shares[0] / 100, abs=0.01)


def test_an_unsure_answer_is_none_of_these(page, stack):
    """Below the threshold no category is named, but all are listed."""
    stack.model.unsure = True
    choose(page, scene())
    state(page, "answer")
    expect(page.locator(".verdict")).to_have_text("None of these")
    expect(page.locator(".bars li")).to_have_count(4)
    expect(page.locator("#announcement")).to_contain_text("None of these")
    keep(page, "none-of-these")


def test_an_unfamiliar_photo_is_told_from_an_unsure_one(page, stack):
    """However sure the best category looks: another lead, and no closest one is spoken of."""
    stack.model.unfamiliar = True
    choose(page, scene())
    state(page, "answer")
    expect(page.locator(".verdict")).to_have_text("None of these")
    expect(page.locator(".lead")).to_have_text("This is unlike anything known here:")
    expect(page.locator(".bars li")).to_have_count(4)
    expect(page.locator("#announcement")).to_contain_text("unlike anything known here")
    keep(page, "unfamiliar")


def test_waiting_is_shown_until_the_answer_comes(page, stack):
    """The page says that it waits, to eyes and ears."""
    stack.model.gate.clear()
    choose(page, scene())
    state(page, "waiting")
    expect(page.get_by_text("Looking closely")).to_be_visible()
    expect(page.locator("#workspace")).to_have_attribute("aria-busy", "true")
    keep(page, "waiting")
    stack.model.gate.set()
    state(page, "answer")
    expect(page.locator("#workspace")).to_have_attribute("aria-busy", "false")


def test_a_newer_photo_overtakes_an_older_one(page, stack):
    """The answer shown is the last photo's, whichever comes first."""
    stack.model.gate.clear()
    choose(page, photo(RED))
    state(page, "waiting")
    choose(page, photo(BLUE))
    expect(page.locator("#announcement")).to_contain_text("Waiting")
    stack.model.gate.set()
    state(page, "answer")
    expect(page.locator(".verdict")).to_have_text("blue")


@pytest.mark.console(allows="400")
def test_a_refusal_shows_the_services_words_and_offers_no_retry(page, stack):
    """The same photo would be refused again: another one is needed."""
    words = {
        "code": "unreadable_photo",
        "message": "the photo is truncated",
        "hint": "save it again",
    }
    stack.model.faults.append(model_error(400, words))
    choose(page, scene())
    state(page, "refusal")
    expect(page.locator("#trouble .message")).to_have_text("The photo is truncated.")
    expect(page.locator("#trouble .hint")).to_have_text("Save it again.")
    expect(page.locator("#retry")).to_be_hidden()
    expect(page.locator("#announcement")).to_contain_text("truncated")
    keep(page, "refusal")


@pytest.mark.console(allows="502")
def test_a_failure_can_be_tried_again_with_the_same_photo(page, stack):
    """After a server's fault the button sends the photo anew."""
    stack.model.faults.append(model_error(500, {}))
    choose(page, scene())
    state(page, "failure")
    expect(page.locator("#trouble .hint")).to_contain_text("The model of endpoint shelf failed.")
    expect(page.locator("#trouble .request-id")).to_contain_text(re.compile(r"Request \S{8,}"))
    keep(page, "failure")
    page.get_by_role("button", name="Try again").click()
    state(page, "answer")
    assert len(stack.model.photos) == 2
    assert stack.model.photos[0] == stack.model.photos[1]


@pytest.mark.console(allows="429")
def test_a_busy_service_can_be_tried_again(page, stack):
    """Too many requests are not the photo's fault, though HTTP counts them as the client's."""
    busy = {"Error": {"Code": "ThrottlingException", "Message": "Rate exceeded"}}
    stack.model.faults.append(ClientError(busy, "InvokeEndpoint"))
    choose(page, scene())
    state(page, "failure")
    page.get_by_role("button", name="Try again").click()
    state(page, "answer")


@pytest.mark.console(allows="404")
def test_a_page_without_its_configuration_says_so(page):
    """A page that was copied by hand knows no API; the hint says what is missing."""
    page.route("**/config.json", lambda route: route.fulfill(status=404))
    page.reload()
    choose(page, scene())
    state(page, "failure")
    expect(page.locator("#trouble .hint")).to_contain_text("config.json")


@pytest.mark.console(allows="ERR_")
def test_an_unreachable_service_is_a_failure(page):
    """A refused connection is worded for people."""
    page.route("**/classify", lambda route: route.abort("connectionrefused"))
    choose(page, scene())
    state(page, "failure")
    expect(page.locator("#trouble .message")).to_have_text("The service cannot be reached.")


@pytest.mark.console(allows="Unexpected")
@pytest.mark.parametrize("body", ["<html>", '{"categories": 7}', "null"])
def test_a_strange_answer_is_a_failure(page, body):
    """A 200 that is not the API's JSON is never shown as an answer."""
    headers = {"Access-Control-Allow-Origin": "*"}
    page.route(
        "**/classify",
        lambda route: route.fulfill(
            status=200, body=body, headers=headers, content_type="application/json"
        ),
    )
    choose(page, scene())
    state(page, "failure")
    expect(page.locator("#trouble .message")).to_contain_text("unexpected")


@pytest.mark.console(allows="ERR_INTERNET_DISCONNECTED")
def test_offline_waits_for_the_connection_and_sends_by_itself(page, stack):
    """Back online, the photo is sent without another click."""
    expect(page.locator("#known li")).to_have_count(4)
    page.context.set_offline(True)
    choose(page, scene())
    state(page, "offline")
    keep(page, "offline")
    page.context.set_offline(False)
    state(page, "answer")
    assert len(stack.model.photos) == 1


@pytest.mark.parametrize(
    ("file", "says"),
    [
        ((b"hello", "notes.txt", "text/plain"), "cannot be opened as a photo"),
        ((photo()[:300], "broken.jpg", "image/jpeg"), "cannot be opened as a photo"),
        ((b"\x00\x00\x00\x18ftypheic" + bytes(40), "IMG_1.jpg", "image/jpeg"), "HEIC"),
        ((b"whatever", "IMG_2.HEIC", ""), "HEIC"),
        ((b"", "empty.png", "image/png"), "cannot be opened as a photo"),
    ],
)
def test_a_file_that_is_no_photo_is_refused_on_the_device(page, stack, file, says):
    """Nothing is sent; the message names the file and the way out."""
    choose(page, *file)
    state(page, "refusal")
    expect(page.locator("#trouble .message")).to_contain_text(file[1])
    expect(page.locator("#trouble .message")).to_contain_text(says)
    expect(page.locator("#trouble .hint")).not_to_be_empty()
    expect(page.locator("#photo")).to_be_hidden()
    assert stack.model.photos == []


def test_a_photo_can_follow_a_refusal(page):
    """The page recovers by itself with the next photo."""
    choose(page, b"hello", "notes.txt", "text/plain")
    state(page, "refusal")
    choose(page, photo(GREEN))
    state(page, "answer")
    expect(page.locator(".verdict")).to_have_text("green")
    expect(page.locator("#preview")).to_be_visible()


def test_a_dropped_photo_is_answered(page):
    """Anywhere on the page; the stage shows that it may be let go."""
    transfer = as_file(page, photo(GREEN, kind="PNG"), "drop.png", "image/png")
    page.dispatch_event("body", "dragenter", {"dataTransfer": transfer})
    expect(page.locator("body")).to_have_class("dropping")
    page.dispatch_event("body", "drop", {"dataTransfer": transfer})
    state(page, "answer")
    expect(page.locator(".verdict")).to_have_text("green")
    expect(page.locator("body")).not_to_have_class("dropping")


def test_a_pasted_photo_is_answered(page):
    """As a screenshot is pasted from the clipboard."""
    transfer = as_file(page, photo(BLUE, kind="PNG"), "image.png", "image/png")
    page.evaluate(
        """(clipboardData) => document.dispatchEvent(
          new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true }))""",
        transfer,
    )
    state(page, "answer")
    expect(page.locator(".verdict")).to_have_text("blue")


def test_the_camera_takes_a_photo_in_a_dialog(page, stack):
    """On a desktop the live picture is shown, and its tracks end with the dialog."""
    page.get_by_role("button", name="Use the camera").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    page.get_by_role("button", name="Take the photo").click()
    state(page, "answer")
    expect(page.locator("dialog")).to_be_hidden()
    assert page.evaluate("document.querySelector('video').srcObject") is None
    assert len(stack.model.photos) == 1


def test_a_camera_dialog_can_be_left(page, stack):
    """Escape and Cancel close it without a photo, and it can be opened again."""
    for leave in (
        lambda: page.keyboard.press("Escape"),
        lambda: page.get_by_text("Cancel").click(),
    ):
        page.get_by_role("button", name="Use the camera").click()
        expect(page.get_by_role("button", name="Take the photo")).to_be_focused()
        leave()
        expect(page.locator("dialog")).to_be_hidden()
    state(page, "empty")
    assert stack.model.photos == []


def test_the_keyboard_alone_is_enough(page):
    """Tab reaches the buttons, with a visible outline, and Enter opens the file dialog."""
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Choose a photo")).to_be_focused()
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Enter")
    chooser.value.set_files({"name": "a.jpg", "mimeType": "image/jpeg", "buffer": photo(GREEN)})
    state(page, "answer")
    expect(page.get_by_role("button", name="Choose a photo")).to_be_focused()


PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}


@pytest.mark.window(**PHONE, device_scale_factor=2)
def test_a_phone_needs_no_sideways_scrolling(page):
    """At 360 pixels, empty and answered; the camera button opens the phone's own app."""
    fits = "document.documentElement.scrollWidth <= innerWidth"
    assert page.evaluate(fits)
    keep(page, "phone-empty")
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Use the camera").tap()
    assert chooser.value.element.get_attribute("capture") == "environment"
    chooser.value.set_files({"name": "a.jpg", "mimeType": "image/jpeg", "buffer": scene()})
    state(page, "answer")
    assert page.evaluate(fits)
    for button in page.locator("button:visible").all():
        assert button.bounding_box()["height"] >= 44
    keep(page, "phone-answer")


@pytest.mark.window(color_scheme="dark")
def test_dark_mode_is_dark(page):
    """The background follows the visitor's preference."""
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert max(int(value) for value in re.findall(r"\d+", background)[:3]) < 60
    keep(page, "dark-empty")
    choose(page, scene())
    state(page, "answer")
    keep(page, "dark-answer")


@pytest.mark.console(allows="Content Security Policy")
def test_the_policy_forbids_inline_script(page):
    """The content security policy is at work, not only written down."""
    refused = page.evaluate(
        """() => new Promise((resolve) => {
          document.addEventListener("securitypolicyviolation", (e) => resolve(e.violatedDirective));
          const script = document.createElement("script");
          script.textContent = "document.title = 'taken over'";
          document.body.append(script);
        })"""
    )
    assert refused == "script-src-elem"
    expect(page).to_have_title("Snapshelf")


@pytest.fixture
def guarded(page, stack):
    """The page of a service that takes the key `right` alone; how often it was asked with which."""
    seen: list[str | None] = []

    def guard(route):
        if route.request.method == "OPTIONS":
            route.continue_()
            return
        seen.append(route.request.headers.get("x-api-key"))
        if seen[-1] == "right":
            route.continue_()
        else:
            headers = {"Access-Control-Allow-Origin": "*"}
            route.fulfill(status=403, json={"message": "Forbidden"}, headers=headers)

    api_url = next(f"http://{host}" for host in stack.hosts if host not in stack.url)
    page.route("**/config.json", lambda r: r.fulfill(json={"apiUrl": api_url, "apiKey": "ask"}))
    for path in ("**/classify", "**/categories"):
        page.route(path, guard)
    page.reload()
    return seen


def test_a_key_is_asked_for_before_anything_is_sent(page, guarded):
    """Without a key no request can succeed, so none is made; with it the page is as ever."""
    state(page, "key")
    expect(page.locator("#trouble .message")).to_have_text("This service asks for a key.")
    keep(page, "key")
    assert guarded == []
    page.get_by_label("Key").fill("right")
    page.get_by_role("button", name="Use this key").click()
    state(page, "empty")
    expect(page.locator("#known li")).to_have_count(4)
    choose(page, photo(GREEN))
    state(page, "answer")


@pytest.mark.console(allows="403 (Forbidden)")
def test_a_wrong_key_is_told_and_the_photo_is_sent_with_the_next(page, guarded):
    """The chosen photo waits for the right key; it need not be chosen again."""
    state(page, "key")
    page.get_by_label("Key").fill("wrong")
    page.get_by_role("button", name="Use this key").click()
    expect(page.locator("#trouble .message")).to_have_text("The service does not take this key.")
    choose(page, photo(GREEN))
    expect(page.locator("#preview")).to_be_visible()
    state(page, "key")
    page.get_by_label("Key").fill("right")
    page.keyboard.press("Enter")
    state(page, "answer")
    expect(page.locator(".verdict")).to_have_text("green")


def test_a_key_is_remembered_in_its_window(page, guarded):
    """A reload asks for none; another window would."""
    page.get_by_label("Key").fill("right")
    page.keyboard.press("Enter")
    state(page, "empty")
    page.reload()
    expect(page.locator("#known li")).to_have_count(4)
