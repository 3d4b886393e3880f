"""One photo on the page as its visitor meets it: each way in, each state, each trouble."""

from __future__ import annotations

import re

import pytest
from botocore.exceptions import ClientError
from page_actions import (
    BLUE,
    GREEN,
    RED,
    as_file,
    choose,
    choose_several,
    entry,
    keep,
    photo,
    scene,
    state,
)
from page_stack import model_error
from playwright.sync_api import expect

CORS = {"Access-Control-Allow-Origin": "*"}
BUSY = {"Error": {"Code": "ThrottlingException", "Message": "Rate exceeded"}}


def test_the_empty_page_invites_and_lists_what_the_model_knows(page):
    """Before any photo: what to do, and which categories there are."""
    expect(page.locator("#known li")).to_have_text(["red", "green", "blue", "grey"])
    expect(page.get_by_role("button", name="Choose photos")).to_be_visible()
    expect(page.locator("#tools")).to_be_hidden()
    expect(page.locator("#history")).to_be_hidden()
    keep(page, "empty")


def test_a_chosen_photo_is_answered_with_a_bar_for_each_category(page, stack):
    """Verdict, percentages in order, bars as long as their percentages, and what was sent."""
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
    expect(page.locator(".facts li")).to_have_text(
        [
            re.compile(r"^112 . 112 of 960 . 640, \d\.\d KB$"),
            re.compile(r"answered in \d+\.\d\d s"),
            "model 2 ms",
            "version colours-1",
        ]
    )
    expect(page.locator(".preview")).to_have_attribute("alt", "books.jpg")
    expect(page.locator("#announcement")).to_have_text(re.compile(r"^red, [\d.]+ %\.$"))
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
    expect(entry(page)).to_have_attribute("aria-busy", "true")
    keep(page, "waiting")
    stack.model.gate.set()
    state(page, "answer")
    expect(entry(page)).to_have_attribute("aria-busy", "false")


def test_a_slow_answer_is_told_to_be_slow(page, stack):
    """After some seconds the page says why it may take longer, and goes on waiting."""
    page.clock.install()
    page.reload()
    stack.model.gate.clear()
    choose(page, scene())
    state(page, "waiting")
    page.clock.fast_forward(5_100)
    state(page, "slow")
    expect(page.locator(".while")).to_contain_text("longer than usual")
    stack.model.gate.set()
    state(page, "answer")


@pytest.mark.console(allows="ERR_")
def test_an_answer_that_does_not_come_ends_in_a_failure(page, stack):
    """After half a minute, when the gateway has given up as well; the mend is another try."""
    page.clock.install()
    page.reload()
    stack.model.gate.clear()
    choose(page, scene())
    state(page, "waiting")
    page.clock.fast_forward(30_100)
    state(page, "failure")
    expect(page.locator(".entry .message")).to_have_text("The answer took too long.")
    stack.model.gate.set()
    page.get_by_role("button", name="Try again").click()
    state(page, "answer")


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
    expect(page.locator(".entry .message")).to_have_text("The photo is truncated.")
    expect(page.locator(".entry .hint")).to_have_text("Save it again.")
    expect(page.locator(".retry")).to_be_hidden()
    expect(page.locator("#announcement")).to_contain_text("truncated")
    keep(page, "refusal")


@pytest.mark.console(allows="502")
def test_a_failure_can_be_tried_again_with_the_same_photo(page, stack):
    """After a server's fault the button sends the photo anew."""
    stack.model.faults.append(model_error(500, {}))
    choose(page, scene())
    state(page, "failure")
    expect(page.locator(".entry .hint")).to_contain_text("The model of endpoint shelf failed.")
    expect(page.locator(".request-id")).to_contain_text(re.compile(r"Request \S{8,}"))
    keep(page, "failure")
    page.get_by_role("button", name="Try again").click()
    state(page, "answer")
    assert len(stack.model.photos) == 2
    assert stack.model.photos[0] == stack.model.photos[1]


@pytest.mark.console(allows="429")
def test_a_busy_service_is_asked_again_by_itself_when_it_says(page, stack):
    """Retry-After is kept to, and told; the visitor need do nothing."""
    stack.model.faults.append(ClientError(BUSY, "InvokeEndpoint"))
    choose(page, scene())
    state(page, "paused")
    expect(page.locator(".while")).to_have_text("It is asked again in 2 s.")
    assert len(stack.model.photos) == 1
    state(page, "answer")
    assert len(stack.model.photos) == 2


@pytest.mark.console(allows="429")
def test_a_service_that_stays_busy_is_left_to_the_visitor(page, stack):
    """After four tries it is a failure with a button; the gateway's own words are enough for it."""
    page.clock.install()
    page.reload()
    seen = []
    page.route(
        "**/classify",
        lambda route: seen.append(
            route.fulfill(status=429, json={"message": "Too Many Requests"}, headers=CORS)
        ),
    )
    choose(page, scene())
    for wait in (2, 4, 8):
        state(page, "paused")
        expect(page.locator(".while")).to_have_text(f"It is asked again in {wait} s.")
        page.clock.fast_forward(wait * 1000)
    state(page, "failure")
    assert len(seen) == 4
    expect(page.locator(".entry .message")).to_have_text("Too many are asking at once.")
    page.unroute("**/classify")
    page.get_by_role("button", name="Try again").click()
    state(page, "answer")


@pytest.mark.console(allows="413")
def test_a_photo_that_the_gateway_finds_too_large_is_refused(page):
    """API Gateway's own words have no hint: the page gives one."""
    message = {"message": "Request Too Long"}
    page.route("**/classify", lambda r: r.fulfill(status=413, json=message, headers=CORS))
    choose(page, scene())
    state(page, "refusal")
    expect(page.locator(".entry .message")).to_have_text("The photo is too large for the service.")
    expect(page.locator(".entry .hint")).not_to_be_empty()


@pytest.mark.console(allows="503")
def test_a_service_without_a_model_is_told_before_any_photo(page, stack):
    """The notice has the service's words; another try clears it once there is a model."""
    missing = {"code": "endpoint_unavailable", "message": "there is no endpoint shelf"}
    words = missing | {"hint": "deploy the model first"}
    page.route("**/categories", lambda r: r.fulfill(status=503, json=words, headers=CORS))
    page.reload()
    expect(page.locator("#notice .message")).to_have_text("No model answers just now.")
    expect(page.locator("#notice .hint")).to_have_text(
        "There is no endpoint shelf. Deploy the model first."
    )
    keep(page, "no-model")
    page.unroute("**/categories")
    page.get_by_role("button", name="Ask the service again").click()
    expect(page.locator("#notice")).to_be_hidden()
    expect(page.locator("#known li")).to_have_count(4)
    expect(page.get_by_role("button", name="Choose photos")).to_be_focused()


@pytest.mark.console(allows="404")
def test_a_page_without_its_configuration_says_so(page):
    """A page that was copied by hand knows no API; the hint says what is missing."""
    page.route("**/config.json", lambda route: route.fulfill(status=404))
    page.reload()
    expect(page.locator("#notice .hint")).to_contain_text("config.json")
    choose(page, scene())
    state(page, "failure")
    expect(page.locator(".entry .hint")).to_contain_text("config.json")


@pytest.mark.console(allows="ERR_")
def test_an_unreachable_service_is_a_failure(page):
    """A refused connection is worded for people."""
    page.route("**/classify", lambda route: route.abort("connectionrefused"))
    choose(page, scene())
    state(page, "failure")
    expect(page.locator(".entry .message")).to_have_text("The service cannot be reached.")


@pytest.mark.parametrize("body", ["<html>", '{"categories": 7}', "null"])
def test_a_strange_answer_is_a_failure(page, body):
    """A 200 that is not the API's JSON is never shown as an answer."""
    page.route(
        "**/classify",
        lambda route: route.fulfill(
            status=200, body=body, headers=CORS, content_type="application/json"
        ),
    )
    choose(page, scene())
    state(page, "failure")
    expect(page.locator(".entry .message")).to_contain_text("unexpected")


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
    expect(page.locator(".entry .message")).to_contain_text(file[1])
    expect(page.locator(".entry .message")).to_contain_text(says)
    expect(page.locator(".entry .hint")).not_to_be_empty()
    expect(page.locator(".preview")).to_be_hidden()
    assert stack.model.photos == []


def test_a_photo_can_follow_a_refusal(page):
    """The page recovers by itself with the next photo."""
    choose(page, b"hello", "notes.txt", "text/plain")
    state(page, "refusal")
    choose(page, photo(GREEN))
    state(page, "answer")
    expect(entry(page).locator(".verdict")).to_have_text("green")
    expect(entry(page).locator(".preview")).to_be_visible()


def test_a_dropped_photo_is_answered(page):
    """Anywhere on the page; the page shows that it may be let go."""
    transfer = as_file(page, photo(GREEN, kind="PNG"), "drop.png", "image/png")
    page.dispatch_event("body", "dragenter", {"dataTransfer": transfer})
    expect(page.locator("body")).to_have_class("dropping")
    page.dispatch_event("footer", "drop", {"dataTransfer": transfer})
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


def test_each_drawing_can_be_tried(page, stack):
    """They come from the page's own host, and go the way of every photo."""
    drawings = page.locator("#examples button")
    for at in range(drawings.count()):
        page.get_by_role("button", name=re.compile("^A (book|car|chair)$")).nth(at).click()
        state(page, "answer")
        expect(entry(page).locator(".facts li").first).to_contain_text("of 640")
        page.get_by_role("button", name="Clear the list").click()
    assert len(set(stack.model.photos)) == 3


def test_the_camera_takes_a_photo_in_a_dialog(page, stack):
    """On a desktop the live picture is shown, and its tracks end with the dialog."""
    page.get_by_role("button", name="Use the camera").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    page.get_by_role("button", name="Take the photo").click()
    state(page, "answer")
    expect(page.locator("#camera-dialog")).to_be_hidden()
    assert page.evaluate("document.querySelector('video').srcObject") is None
    assert len(stack.model.photos) == 1


def test_a_camera_dialog_can_be_left(page, stack):
    """Escape and Cancel close it without a photo, and it can be opened again."""
    for leave in (
        lambda: page.keyboard.press("Escape"),
        lambda: page.locator("#camera-dialog .cancel").click(),
    ):
        page.get_by_role("button", name="Use the camera").click()
        expect(page.get_by_role("button", name="Take the photo")).to_be_focused()
        leave()
        expect(page.locator("#camera-dialog")).to_be_hidden()
    expect(page.locator("body")).to_have_attribute("data-state", "empty")
    assert stack.model.photos == []


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
            route.fulfill(status=403, json={"message": "Forbidden"}, headers=CORS)

    config = {"apiUrl": stack.api_url, "apiKey": "ask"}
    page.route("**/config.json", lambda r: r.fulfill(json=config))
    for path in ("**/classify", "**/categories"):
        page.route(path, guard)
    page.reload()
    return seen


def test_a_key_is_asked_for_before_anything_is_sent(page, guarded):
    """Without a key no request can succeed, so none is made; with it the page is as ever."""
    expect(page.locator("#notice .message")).to_have_text("This service asks for a key.")
    keep(page, "key")
    assert guarded == []
    page.get_by_label("Key").fill("right")
    page.get_by_role("button", name="Use this key").click()
    expect(page.locator("#notice")).to_be_hidden()
    expect(page.locator("#known li")).to_have_count(4)
    choose(page, photo(GREEN))
    state(page, "answer")


@pytest.mark.console(allows="403 (Forbidden)")
def test_a_wrong_key_is_told_and_the_photos_are_sent_with_the_next(page, guarded):
    """The chosen photos wait for the right key; they need not be chosen again."""
    page.get_by_label("Key").fill("wrong")
    page.get_by_role("button", name="Use this key").click()
    expect(page.locator("#notice .message")).to_have_text("The service does not take this key.")
    choose_several(page, {"a.jpg": photo(GREEN), "b.jpg": photo(RED)})
    expect(entry(page).locator(".preview")).to_be_visible()
    state(page, "key")
    state(page, "key", 1)
    page.get_by_label("Key").fill("right")
    page.keyboard.press("Enter")
    state(page, "answer")
    state(page, "answer", 1)
    expect(page.locator(".verdict")).to_have_text(["green", "red"])


def test_a_key_is_remembered_in_its_window(page, guarded):
    """A reload asks for none; another window would."""
    page.get_by_label("Key").fill("right")
    page.keyboard.press("Enter")
    expect(page.locator("#known li")).to_have_count(4)
    page.reload()
    expect(page.locator("#known li")).to_have_count(4)
    expect(page.locator("#notice")).to_be_hidden()
