"""A control of each notebook changes a number, a picture or a text."""

import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.clone import ROOT
from tests.imdb.untrained import save_small_linear, save_untrained
from tests.notebooks.conftest import Open, needs_chromium

pytestmark = needs_chromium


@pytest.fixture(scope="module")
def notebooks_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the notebooks next to small models of reviews."""
    root = tmp_path_factory.mktemp("project")
    shutil.copytree(ROOT / "notebooks", root / "notebooks")
    models = root / "data" / "imdb" / "models"
    save_untrained(models)
    save_small_linear(models)
    return root


def wait_for_change(page: Page, selector: str, before: str) -> str:
    """Return the HTML of the first match of a selector as soon as it differs from `before`."""
    for _ in range(300):
        after = str(page.locator(selector).first.inner_html())
        if after != before:
            return after
        page.wait_for_timeout(100)
    raise AssertionError(f"{selector} has not changed within 30 s")


def test_a_broken_gradient_has_no_digits_left(open_notebook: Open) -> None:
    page = open_notebook("mlp_by_hand")
    digits = page.locator("marimo-stat", has_text="digits of the gradient check")
    assert int(digits.get_by_text("1").first.inner_text()) >= 11
    page.get_by_role("switch", name="leave out phi_prime").click()
    expect(digits.get_by_text("0", exact=True)).to_be_visible()
    expect(page.get_by_text("-    dZ1 = dA1 * phi_prime(A1)")).to_be_visible()


def test_a_weight_changes_what_depends_on_it(open_notebook: Open) -> None:
    page = open_notebook("mlp_by_hand")
    assert page.locator(".step b").count() == 0
    page.get_by_role("slider", name="add to it").press("ArrowRight")
    expect(page.locator(".step b").first).to_be_visible()


def test_the_activation_changes_the_losses(open_notebook: Open) -> None:
    page = open_notebook("mlp_pytorch")
    before = page.locator("table").first.inner_html()
    page.get_by_label("activation").select_option("relu")
    after = wait_for_change(page, "table", before)
    assert "NumPy" in after


def test_a_typed_review_is_rated(open_notebook: Open) -> None:
    page = open_notebook("review_rating")
    before = page.locator(".cards").inner_html()
    page.get_by_label("text", exact=True).fill("a great film")
    cards = wait_for_change(page, ".cards", before)
    assert "great" in cards and "terrible" not in cards  # noqa: PT018
