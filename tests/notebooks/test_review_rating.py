"""The notebook that rates reviews, next to small models."""

import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Page

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


def test_a_typed_review_is_rated(open_notebook: Open) -> None:
    page = open_notebook("review_rating")
    before = page.locator(".cards").inner_html()
    page.get_by_label("text", exact=True).fill("a great film")
    cards = wait_for_change(page, ".cards", before)
    assert "great" in cards and "terrible" not in cards  # noqa: PT018
