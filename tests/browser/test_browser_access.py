"""The page for everyone: screen readers, keyboard, phones, dark rooms, paper; and no one else."""

from __future__ import annotations

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from page_actions import GREEN, RED, choose, choose_several, entry, keep, photo, scene, state
from page_stack import model_error
from playwright.sync_api import expect

PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
NO_SIDEWAYS = "document.documentElement.scrollWidth <= innerWidth"


def complaints(page):
    """What axe-core finds against WCAG 2 and good practice, one line each."""
    found = Axe().run(page)
    return [
        f"{each['id']}: {node['html'][:120]}"
        for each in found.response["violations"]
        for node in each["nodes"]
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.console(allows="502")
def test_axe_finds_nothing_in_any_state(page, stack, scheme):
    """Empty, waiting, answered, failed, correcting, with a history: in both colour schemes."""
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    stack.take_feedback(on=True)
    page.reload()
    expect(page.locator("#known li")).to_have_count(4)
    assert complaints(page) == []
    stack.model.gate.clear()
    choose(page, scene())
    state(page, "waiting")
    assert complaints(page) == []
    stack.model.gate.set()
    state(page, "answer")
    stack.model.faults.append(model_error(500, {}))
    choose_several(page, {"a.jpg": photo(GREEN), "b.txt": b"none"})
    state(page, "failure")
    state(page, "refusal", 1)
    entry(page, 2).get_by_role("button", name="Correct the answer").click()
    entry(page, 2).locator(".seen summary").click()
    page.locator("#history summary").click()
    assert complaints(page) == []


def test_the_keyboard_alone_is_enough(page):
    """Tab reaches the buttons, with a visible outline, and Enter opens the file dialog."""
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Choose photos")).to_be_focused()
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Enter")
    chooser.value.set_files({"name": "a.jpg", "mimeType": "image/jpeg", "buffer": photo(GREEN)})
    state(page, "answer")
    expect(page.get_by_role("button", name="Choose photos")).to_be_focused()


@pytest.mark.console(allows="502")
def test_the_focus_stays_with_a_photo_whose_button_vanishes(page, stack):
    """Trying again hides that button: the next one of the same photo has the focus."""
    stack.model.faults.append(model_error(500, {}))
    choose(page, scene())
    state(page, "failure")
    stack.model.gate.clear()
    entry(page).get_by_role("button", name="Try again").focus()
    page.keyboard.press("Enter")
    state(page, "waiting")
    expect(entry(page).get_by_role("button", name="Cancel")).to_be_focused()
    page.keyboard.press("Enter")
    state(page, "cancelled")
    expect(entry(page).get_by_role("button", name="Try again")).to_be_focused()
    stack.model.gate.set()


def test_the_focus_goes_in_the_order_in_which_the_page_is_read(page):
    """From the buttons over the photos to what concerns all of them, and on; nothing jumps back."""
    choose_several(page, {"a.jpg": photo(GREEN), "b.jpg": photo(RED)})
    expect(page.locator(".entry[data-state=answer]")).to_have_count(2)
    expect(page.locator("#past li")).to_have_count(2)
    place = """() => {
      const all = [...document.querySelectorAll("*")];
      return [all.indexOf(document.activeElement), document.activeElement.textContent.trim()];
    }"""
    seen = []
    for _ in range(14):
        page.keyboard.press("Tab")
        seen.append(page.evaluate(place))
    texts = [text for _, text in seen]
    assert texts[0] == "Choose photos"
    assert texts.index("Save as CSV") > texts.index("Copy as curl")
    assert any(text.startswith("Earlier answers") for text in texts)
    places = [at for at, _ in seen]
    assert places == sorted(places)


@pytest.mark.window(**PHONE, device_scale_factor=2)
def test_a_phone_needs_no_sideways_scrolling(page):
    """At 360 pixels, empty and answered; the camera button opens the phone's own app."""
    assert page.evaluate(NO_SIDEWAYS)
    keep(page, "phone-empty")
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Use the camera").tap()
    assert chooser.value.element.get_attribute("capture") == "environment"
    chooser.value.set_files({"name": "a.jpg", "mimeType": "image/jpeg", "buffer": scene()})
    state(page, "answer")
    choose(page, photo(GREEN), "a-name-that-is-much-too-long-for-a-phone-" * 3 + ".jpg")
    state(page, "answer")
    assert page.evaluate(NO_SIDEWAYS)
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


@pytest.mark.window(reduced_motion="reduce")
def test_with_reduced_motion_nothing_moves_but_the_slow_sign_of_work(page):
    """Bars stand at once at their length."""
    choose(page, scene())
    state(page, "answer")
    assert page.evaluate(
        "getComputedStyle(document.querySelector('.fill')).transitionDuration"
    ) in {
        "0s",
        "1e-05s",
    }


def test_on_paper_the_answers_stand_without_buttons(page):
    """What can be pressed is not printed, what was answered is."""
    page.emulate_media(media="print", color_scheme="dark")
    choose(page, scene())
    state(page, "answer")
    expect(page.locator(".verdict")).to_be_visible()
    expect(page.locator("button:visible")).to_have_count(0)
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == "rgb(255, 255, 255)"


@pytest.mark.console(allows="Content Security Policy")
def test_the_policy_is_at_work(page):
    """What is inline is refused, not only written down as refused."""
    refused = page.evaluate(
        """() => new Promise((resolve) => {
          document.addEventListener("securitypolicyviolation", (e) => resolve(e.violatedDirective));
          const style = document.createElement("style");
          style.textContent = "body { display: none }";
          document.body.append(style);
        })"""
    )
    assert refused == "style-src-elem"
    expect(page.locator("h1")).to_be_visible()


@pytest.mark.console(allows="Trusted")
def test_text_never_becomes_code(page):
    """Trusted Types: no script on the page can turn a string into markup or into a script."""
    for assignment in (
        "document.body.innerHTML = '<b>taken over</b>'",
        "document.body.setAttribute('onclick', 'alert(1)')",
        "document.createElement('script').textContent = 'alert(1)'",
        "document.createElement('script').src = 'https://example.org/a.js'",
        "new Worker('https://example.org/a.js')",
    ):
        refused = page.evaluate(
            f"() => {{ try {{ {assignment}; return '' }} catch (error) {{ return error.name }} }}"
        )
        assert refused == "TypeError", assignment


def test_a_name_with_markup_is_shown_as_it_is(page):
    """A file's name is the visitor's, a category's the operator's: both are text."""
    name = "<img src=x onerror=alert(1)>.jpg"
    choose(page, photo(GREEN), name)
    state(page, "answer")
    expect(page.locator(".entry .name")).to_have_text(name)
