"""The notebooks of projects 1 and 2 in a browser: a control is moved, and what it shows changes."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.notebooks.conftest import Open, needs_chromium

pytestmark = needs_chromium


@pytest.fixture(scope="module")
def by_hand(open_notebook: Open) -> Page:
    """The notebook of project 1, whose controls the tests use one after the other."""
    return open_notebook("mlp_by_hand")


@pytest.fixture(scope="module")
def pytorch(open_notebook: Open) -> Page:
    """The notebook of project 2, likewise."""
    return open_notebook("mlp_pytorch")


def move(page: Page, slider: str, key: str = "ArrowRight") -> None:
    page.get_by_role("slider", name=slider, exact=True).press(key)


def test_another_hidden_unit_is_drawn_and_trained(by_hand: Page) -> None:
    expect(by_hand.get_by_alt_text(re.compile("each of the 8 hidden units"))).to_be_visible()
    move(by_hand, "hidden units")
    expect(by_hand.get_by_alt_text(re.compile("each of the 9 hidden units"))).to_be_visible()


def test_the_slider_walks_through_the_epochs(by_hand: Page) -> None:
    boundary = by_hand.get_by_alt_text(re.compile("decision boundary after epoch 60"))
    after = boundary.get_attribute("src")
    move(by_hand, "epoch shown", "Home")
    boundary = by_hand.get_by_alt_text(re.compile("decision boundary after epoch 0"))
    expect(boundary).to_be_visible()
    assert boundary.get_attribute("src") != after


def test_a_weight_changes_what_depends_on_it(by_hand: Page) -> None:
    changed = by_hand.locator("table.numbers:has(b)")
    expect(changed).to_have_count(0)
    move(by_hand, "add to it")
    expect(by_hand.get_by_label("Z1", exact=True).locator("b")).to_have_count(3)
    by_hand.get_by_label("weight", exact=True).select_option("b2[0]")
    expect(by_hand.get_by_label("Z2", exact=True).locator("b")).to_have_count(3)
    expect(by_hand.get_by_label("Z1", exact=True).locator("b")).to_have_count(0)


def test_a_switch_breaks_the_code(by_hand: Page) -> None:
    expect(by_hand.get_by_text("Nothing is broken.")).to_be_visible()
    by_hand.get_by_role("switch", name="forget / m").click()
    expect(by_hand.get_by_text("The lines that are replaced:")).to_be_visible()
    expect(by_hand.get_by_text("dZ2 = A2 - Y")).to_be_visible()
    by_hand.get_by_role("switch", name="forget the transpose of W2").click()
    expect(by_hand.get_by_text("NumPy stops:")).to_be_visible()


def test_points_can_be_uploaded(by_hand: Page, tmp_path: Path) -> None:
    lines = [f"{x},{x * x % 7},{'left' if x < 10 else 'right'}" for x in range(20)]
    (tmp_path / "mine.csv").write_text("\n".join(["x1,x2,label", *lines]), "utf-8")
    by_hand.locator("input[type=file]").set_input_files(tmp_path / "mine.csv")
    expect(by_hand.get_by_text("10 training points and 10 test points")).to_be_visible()
    (tmp_path / "wrong.csv").write_text("x1,x2\n1,2\n", "utf-8")
    by_hand.locator("input[type=file]").set_input_files(tmp_path / "wrong.csv")
    expect(by_hand.get_by_text("wrong.csv: no column label")).to_be_visible()


def test_the_version_changes_the_record_of_autograd(pytorch: Page) -> None:
    expect(pytorch.get_by_text("AddmmBackward0").first).to_be_hidden()
    pytorch.get_by_label("version", exact=True).select_option("sequential")
    expect(pytorch.get_by_text("AddmmBackward0").first).to_be_visible()


def test_the_four_networks_train_again(pytorch: Page) -> None:
    expect(pytorch.get_by_alt_text(re.compile("over 60 epochs"))).to_be_visible()
    move(pytorch, "epochs")
    expect(pytorch.get_by_alt_text(re.compile("over 65 epochs"))).to_be_visible()
