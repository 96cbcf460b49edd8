"""The notebook that rates reviews, next to models of made-up reviews."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, TimeoutError, expect

from tests.clone import Clone
from tests.notebooks.conftest import PHONE, Open, needs_chromium

pytestmark = needs_chromium


@pytest.fixture(scope="module")
def notebooks_root(clone: Clone, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone in which the pipeline has run."""
    return clone.fork(tmp_path_factory.mktemp("notebooks") / "project").folder


@pytest.fixture(scope="module")
def page(open_notebook: Open) -> Page:
    """The notebook, whose controls the tests use one after the other."""
    return open_notebook("review_rating")


def type_text(page: Page, text: str) -> None:
    """Type a review and wait until it is rated."""
    page.get_by_label("text", exact=True).fill(text)
    last = text.split()[-1]
    expect(page.locator(".card .words").first).to_contain_text(last, timeout=30_000)


def test_a_typed_review_is_rated(page: Page) -> None:
    headings = page.locator(".card h3")
    type_text(page, "excellent superb touching funny loved")
    expect(headings).to_have_text(["linear: good", "mean: good", "LSTM: good"])
    type_text(page, "awful boring worst dull hated")
    expect(headings).to_have_text(["linear: bad", "mean: bad", "LSTM: bad"])


def test_the_curve_names_the_words_that_change_it(page: Page) -> None:
    type_text(page, "excellent awful")
    turns = page.locator("li", has_text="LSTM:")
    expect(turns).to_contain_text("awful (word 2, \N{MINUS SIGN}")


def test_a_word_is_left_out_on_a_phone(page: Page) -> None:
    page.set_viewport_size({"width": PHONE, "height": 900})
    type_text(page, "excellent awful")
    page.get_by_text("Select...").click()
    option = page.get_by_role("option", name="2: awful")
    try:
        option.click(timeout=10_000)
    except TimeoutError:  # the list was opened while the page put a new one in its place
        page.get_by_text("Select...").click()
        option.click()
    page.keyboard.press("Escape")
    table = page.get_by_role("table", name="ratings before and after the change")
    expect(table.locator("tbody tr")).to_have_count(3)
    expect(table.locator("tbody tr").last).to_have_text(re.compile(r"LSTM.*%.*%\+.*good"))


def test_hard_and_random_test_reviews_are_shown(page: Page) -> None:
    page.get_by_text("a random test text").click()
    expect(page.locator(".card h3").first).to_have_text(re.compile("right|wrong"))
    first = page.locator(".card .words").first.inner_text()
    page.get_by_role("button", name="another review").click()
    expect(page.locator(".card .words").first).not_to_have_text(first)


def test_the_neighbours_are_those_of_the_typed_word(page: Page) -> None:
    page.get_by_label("word", exact=True).fill("excellent")
    for network in ("mean", "LSTM"):
        table = page.get_by_role("table", name=f"neighbours, {network}")
        expect(table.locator("tbody tr")).to_have_count(6)
    page.get_by_label("word", exact=True).fill("unheardof")
    expect(page.get_by_text("'unheardof' is not in the vocabulary")).to_be_visible()
