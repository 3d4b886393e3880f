"""Several photos at once, and what can be done with their answers."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
from pathlib import Path

import pytest
from page_actions import BLUE, GREEN, RED, choose, choose_several, entry, keep, photo, scene, state
from page_stack import model_error
from playwright.sync_api import expect

THREE = {"a.jpg": photo(RED), "b.jpg": photo(GREEN), "c.jpg": photo(BLUE)}
TREE = {
    "red": ["Warm", "Reds", "Crimson"],
    "green": ["Cold", "Greens", "Moss"],
    "blue": ["Cold", "Blues", "Navy"],
    "grey": ["Cold", "Greys", "Ash"],
}


def told(page):
    """The names of the photos that the model was asked about, once each: waits for all."""
    expect(page.locator(".entry[aria-busy=true]")).to_have_count(0)
    return page.locator(".entry .name").all_inner_texts()


def test_several_photos_stand_in_their_order_each_with_its_answer(page, stack):
    """One lot is answered photo by photo; a later lot stands above it."""
    choose_several(page, THREE)
    choose(page, scene(), "later.jpg")
    assert told(page) == ["later.jpg", "a.jpg", "b.jpg", "c.jpg"]
    expect(page.locator(".verdict")).to_have_text(["red", "red", "green", "blue"])
    expect(page.locator("#tally")).to_have_text("4 of 4 answered")
    assert len(stack.model.photos) == 4
    keep(page, "several")


def test_answers_come_as_they_come_and_a_few_are_asked_at_once(page, stack):
    """Of seven photos four are asked while none is answered; the others wait in line."""
    stack.model.gate.clear()
    choose_several(page, {f"{at}.jpg": photo((30 * at, 200, 0)) for at in range(7)})
    expect(page.locator(".entry[data-state=waiting]")).to_have_count(4)
    expect(page.locator(".entry[data-state=resizing]")).to_have_count(3)
    expect(page.locator("#tally")).to_have_text("0 of 7 answered")
    stack.model.gate.set()
    expect(page.locator(".entry[data-state=answer]")).to_have_count(7)
    assert len(stack.model.photos) == 7


@pytest.mark.console(allows="502")
def test_a_photo_that_fails_leaves_the_others_alone(page, stack):
    """Each has its own state; only what failed is sent again."""
    stack.model.faults.append(model_error(500, {}))
    choose_several(page, {**THREE, "notes.txt": b"no photo"})
    expect(page.locator(".entry[data-state=answer]")).to_have_count(2)
    expect(page.locator(".entry[data-state=failure]")).to_have_count(1)
    state(page, "refusal", 3)
    page.locator("[data-state=failure] .retry").click()
    expect(page.locator(".entry[data-state=answer]")).to_have_count(3)
    assert len(stack.model.photos) == 4


@pytest.mark.console(allows="ERR_")
def test_cancelling_ends_what_is_under_way_and_keeps_what_is_answered(page, stack):
    """What was cancelled is not sent any more, and can be tried again."""
    choose(page, photo(GREEN), "first.jpg")
    state(page, "answer")
    stack.model.gate.clear()
    choose_several(page, {f"{at}.jpg": photo((30 * at, 200, 0)) for at in range(6)})
    expect(page.locator(".entry[data-state=waiting]")).to_have_count(4)
    while len(stack.model.photos) < 5:  # the first, and four that were sent
        page.wait_for_timeout(10)
    page.get_by_role("button", name="Cancel the rest").click()
    expect(page.locator(".entry[data-state=cancelled]")).to_have_count(6)
    expect(page.locator(".entry[data-state=answer]")).to_have_count(1)
    expect(page.get_by_role("button", name="Cancel the rest")).to_be_hidden()
    stack.model.gate.set()
    entry(page).get_by_role("button", name="Try again").click()
    state(page, "answer")
    assert len(stack.model.photos) == 6  # one of the four a second time, and of the others none
    assert len(set(stack.model.photos)) == 5


def test_one_photo_is_cancelled_by_its_own_button(page, stack):
    """The others go on."""
    stack.model.gate.clear()
    choose_several(page, THREE)
    state(page, "waiting", 1)
    entry(page, 1).get_by_role("button", name="Cancel").click()
    state(page, "cancelled", 1)
    stack.model.gate.set()
    state(page, "answer", 0)
    state(page, "answer", 2)


def test_a_photo_can_be_removed_and_the_focus_goes_on(page):
    """The list closes up; without photos the page invites again."""
    choose_several(page, THREE)
    told(page)
    page.get_by_role("button", name="Remove a.jpg").focus()
    page.keyboard.press("Enter")
    assert told(page) == ["b.jpg", "c.jpg"]
    assert page.evaluate("document.activeElement.closest('.entry') !== null")
    page.get_by_role("button", name="Clear the list").click()
    expect(page.locator("body")).to_have_attribute("data-state", "empty")
    expect(page.get_by_role("button", name="Choose photos")).to_be_focused()
    expect(page.locator("#tools")).to_be_hidden()


def test_the_threshold_begins_at_the_models_and_tells_what_another_would_answer(page, stack):
    """No photo is sent again; the model's own comes back by a button."""
    choose(page, scene())
    state(page, "answer")
    slider = page.get_by_label("Threshold", exact=True)
    expect(slider).to_have_value("0.5")
    expect(page.locator("#threshold-value")).to_have_text("by the model")
    best = float(re.sub(r"[^0-9.]", "", page.locator(".percent").first.inner_text())) / 100
    assert 0.5 < best < 0.99
    slider.fill("0.99")
    expect(page.locator(".verdict")).to_have_text("None of these")
    expect(page.locator("#threshold-value")).to_have_text("0.99")
    keep(page, "threshold")
    slider.fill(str(round(best - 0.02, 2)))
    expect(page.locator(".verdict")).to_have_text("red")
    slider.fill("0.99")
    page.get_by_role("button", name="Reset the threshold").click()
    expect(page.locator(".verdict")).to_have_text("red")
    expect(slider).to_be_focused()
    assert len(stack.model.photos) == 1


def test_a_low_threshold_names_what_the_model_left_unnamed(page, stack):
    """What is unsure is named, but not what is unlike anything known."""
    stack.model.unsure = True
    choose(page, scene(), "unsure.jpg")
    state(page, "answer")
    stack.model.unfamiliar = True
    choose(page, scene(), "unfamiliar.jpg")
    state(page, "answer")
    page.get_by_label("Threshold", exact=True).fill("0.1")
    expect(page.locator(".verdict")).to_have_text(["None of these", "red"])


def test_a_category_with_levels_is_named_by_its_lowest_and_shows_all(page, stack):
    """The tree of GET /categories; the list of what is known is one too."""
    stack.model.tree = TREE
    page.reload()
    expect(page.locator("#known summary")).to_have_text(["Warm (1)", "Cold (3)"])
    page.locator("#knows > summary").click()
    page.get_by_text("Cold (3)").click()
    expect(page.locator("#known li")).to_have_text(["Moss Greens", "Navy Blues", "Ash Greys"])
    choose(page, photo(GREEN))
    state(page, "answer")
    expect(page.locator(".verdict")).to_have_text("Moss")
    expect(page.locator(".path")).to_have_text(re.compile("^Cold . Greens . Moss$"))
    expect(page.locator(".bars .category").first).to_have_text("Moss")
    keep(page, "tree")


def test_an_unsure_answer_is_sure_as_far_up_as_its_categories_agree(page, stack):
    """0.25 + 0.25 + 0.24 of the cold ones pass 0.5 together, though none does alone."""
    stack.model.unsure, stack.model.tree = True, {**TREE, "red": ["Cold", "Reds", "Crimson"]}
    page.reload()
    choose(page, scene())
    state(page, "answer")
    expect(page.locator(".verdict")).to_have_text("None of these")
    expect(page.locator(".sure")).to_have_text("But surely Cold: 100.0 %.")


def test_the_copied_command_gives_the_same_answer_in_a_shell(page, stack):
    """It holds the photo that was sent, and nothing else is needed but curl."""
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    choose(page, scene())
    state(page, "answer")
    page.get_by_role("button", name="Copy as curl").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    command = page.evaluate("navigator.clipboard.readText()")
    shell = subprocess.run(["sh", "-c", command], capture_output=True, check=True, timeout=30)
    assert json.loads(shell.stdout)["verdict"] == "red"
    assert stack.model.photos[0] == stack.model.photos[1]


def test_a_command_that_cannot_be_copied_is_shown(page):
    """At an http address on the web a page may not write to the clipboard."""
    page.add_init_script("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    page.reload()
    choose(page, scene())
    state(page, "answer")
    page.get_by_role("button", name="Copy as curl").click()
    expect(page.locator("#copy-dialog textarea")).to_be_focused()
    selected = page.evaluate("document.querySelector('#copy-dialog textarea').selectionEnd")
    assert selected > 1000
    page.get_by_role("button", name="Close").click()
    expect(page.locator("#copy-dialog")).to_be_hidden()


def test_a_corrected_answer_is_given_with_consent_alone(page, stack):
    """The small picture, what it is and what was said of it; the page thanks, and asks no more."""
    stack.take_feedback(on=True)
    page.reload()
    choose(page, scene())
    state(page, "answer")
    page.get_by_role("button", name="Correct the answer").click()
    form = page.locator(".correction")
    expect(form.get_by_label("What is it?")).to_be_focused()
    form.get_by_label("What is it?").select_option("blue")
    form.get_by_role("button", name="Send").click()
    assert form.get_by_role("checkbox").evaluate("(box) => box.validity.valueMissing")
    assert stack.store.kept == []
    keep(page, "correction")
    form.get_by_role("checkbox").check()
    form.get_by_role("button", name="Send").click()
    expect(page.locator(".corrected")).to_have_text("Thank you: it is kept as blue.")
    expect(page.get_by_role("button", name="Correct the answer")).to_be_hidden()
    ((folder, data, facts),) = stack.store.kept
    assert folder == "feedback/blue"
    assert data == stack.model.photos[0]
    assert (facts["shown"], facts["shown-version"]) == ("red", "colours-1")


@pytest.mark.console(allows="404")
def test_feedback_that_fails_says_why_and_can_be_left(page, stack):
    """It was switched off while the page was open; nothing is lost."""
    stack.take_feedback(on=True)
    page.reload()
    choose(page, scene())
    state(page, "answer")
    stack.take_feedback(on=False)
    page.get_by_role("button", name="Correct the answer").click()
    page.get_by_role("checkbox").check()
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("alert")).to_contain_text("This deployment takes no feedback.")
    page.keyboard.press("Escape")
    expect(page.locator(".correction")).to_be_hidden()
    expect(page.get_by_role("button", name="Correct the answer")).to_be_focused()
    assert stack.store.kept == []


def test_where_no_feedback_is_taken_none_is_offered(page):
    """GET /categories says so."""
    choose(page, scene())
    state(page, "answer")
    expect(page.locator(".correct")).to_be_hidden()


def test_earlier_answers_are_kept_on_the_device_until_they_are_forgotten(page, stack):
    """They outlive a reload with small pictures, and no request tells of them."""
    choose_several(page, {"a.jpg": photo(RED), "b.jpg": photo(GREEN)})
    told(page)
    expect(page.locator("#past li")).to_have_count(2)
    asked = []
    page.on("request", lambda sent: asked.append(sent.method))
    page.reload()
    page.locator("#history > summary").click()
    assert sorted(page.locator("#past strong").all_inner_texts()) == ["green", "red"]
    sizes = page.evaluate("[...document.querySelectorAll('#past img')].map((i) => i.src.length)")
    assert max(sizes) < 4000
    keep(page, "history")
    page.get_by_role("button", name="Forget them").click()
    expect(page.locator("#history")).to_be_hidden()
    page.reload()
    expect(page.locator("#known li")).to_have_count(4)
    expect(page.locator("#history")).to_be_hidden()
    assert set(asked) == {"GET"}
    assert page.evaluate("localStorage.length") == 0


def test_a_history_that_is_something_else_is_passed_over(page):
    """Whatever else has written there, the page opens; and it keeps what fits."""
    place = page.evaluate("`snapshelf-history ${location.pathname}`")
    for stored in ("{", "null", '[{"at": "x"}]', '[{"at":1,"name":"a","thumbnail":"http://a.b/"}]'):
        page.evaluate("([place, text]) => localStorage.setItem(place, text)", [place, stored])
        page.reload()
        expect(page.locator("#known li")).to_have_count(4)
        expect(page.locator("#history")).to_be_hidden()


def test_the_history_ends_at_forty_answers(page):
    """The oldest go, so that it never fills the device."""
    pixel = "data:image/jpeg;base64,AAAA"
    page.evaluate(
        """(thumbnail) => localStorage.setItem(`snapshelf-history ${location.pathname}`,
          JSON.stringify(Array.from({ length: 40 }, (_, at) => (
            { at, name: `${at}`, verdict: "old", probability: 1, thumbnail }))))""",
        pixel,
    )
    page.reload()
    choose(page, photo(GREEN))
    state(page, "answer")
    expect(page.locator("#past li")).to_have_count(40)
    expect(page.locator("#past strong").first).to_have_text("green")


def saved(page, button):
    """The text of the file that a button saves, and its name."""
    with page.expect_download() as download:
        page.get_by_role("button", name=button).click()
    return Path(download.value.path()).read_text(), download.value.suggested_filename


def test_results_are_saved_as_csv_and_json(page, stack):
    """As they stand, by the threshold that was chosen; a name is never a formula."""
    choose_several(page, {'=1+"1",.jpg': photo(RED), "b.jpg": photo(GREEN)})
    told(page)
    page.get_by_label("Threshold", exact=True).fill("1")
    text, name = saved(page, "Save as CSV")
    assert name == "snapshelf.csv"
    first, second = csv.DictReader(io.StringIO(text))
    assert first["file"].startswith("'=1+")
    assert (first["verdict"], first["category"], first["threshold"]) == ("none", "red", "1")
    assert 0.5 < float(second["probability"]) < 1
    text, name = saved(page, "Save as JSON")
    assert name == "snapshelf.json"
    rows = json.loads(text)
    assert [row["file"] for row in rows][1] == "b.jpg"
    assert [row["reason"] for row in rows] == ["below threshold"] * 2
    assert len(rows[0]["categories"]) == 4


def test_nothing_can_be_saved_before_there_is_an_answer(page, stack):
    """The buttons wait."""
    stack.model.gate.clear()
    choose(page, scene())
    expect(page.get_by_role("button", name="Save as CSV")).to_be_disabled()
    stack.model.gate.set()
    expect(page.get_by_role("button", name="Save as CSV")).to_be_enabled()


def test_the_preview_is_small_and_has_the_photos_proportions(page):
    """However large the photo is: the page would decode all of it to show a stamp."""
    choose(page, photo(GREEN, size=(3000, 1500)))
    state(page, "answer")
    expect(page.locator(".preview")).to_be_visible()
    sides = "(image) => image.decode().then(() => [image.naturalWidth, image.naturalHeight])"
    assert page.locator(".preview").evaluate(sides) == [480, 240]
