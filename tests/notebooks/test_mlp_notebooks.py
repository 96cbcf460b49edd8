"""The notebooks of projects 1 and 2 in a browser: a control is moved, and what it shows changes."""

import re
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.notebooks.conftest import PHONE, Open, needs_chromium

pytestmark = needs_chromium


def move(page: Page, slider: str, key: str = "ArrowRight") -> None:
    page.get_by_role("slider", name=slider, exact=True).press(key)


def test_another_hidden_unit_is_drawn_and_trained(open_notebook: Open) -> None:
    page = open_notebook("mlp_by_hand")
    expect(page.get_by_alt_text(re.compile("each of the 8 hidden units"))).to_be_visible()
    move(page, "hidden units")
    expect(page.get_by_alt_text(re.compile("each of the 9 hidden units"))).to_be_visible()


def test_the_slider_walks_through_the_epochs(open_notebook: Open) -> None:
    page = open_notebook("mlp_by_hand", PHONE)
    boundary = page.get_by_alt_text(re.compile("decision boundary after epoch 60"))
    after = boundary.get_attribute("src")
    move(page, "epoch shown", "Home")
    boundary = page.get_by_alt_text(re.compile("decision boundary after epoch 0"))
    expect(boundary).to_be_visible()
    assert boundary.get_attribute("src") != after


def test_a_weight_changes_what_depends_on_it(open_notebook: Open) -> None:
    page = open_notebook("mlp_by_hand")
    changed = page.locator("table.numbers:has(b)")
    expect(changed).to_have_count(0)
    move(page, "add to it")
    expect(page.get_by_label("Z1", exact=True).locator("b")).to_have_count(3)
    page.get_by_label("weight", exact=True).select_option("b2[0]")
    expect(page.get_by_label("Z2", exact=True).locator("b")).to_have_count(3)
    expect(page.get_by_label("Z1", exact=True).locator("b")).to_have_count(0)


def test_a_switch_breaks_the_code(open_notebook: Open) -> None:
    page = open_notebook("mlp_by_hand")
    expect(page.get_by_text("Nothing is broken.")).to_be_visible()
    page.get_by_role("switch", name="forget / m").click()
    expect(page.get_by_text("The lines that are replaced:")).to_be_visible()
    expect(page.get_by_text("dZ2 = A2 - Y")).to_be_visible()
    page.get_by_role("switch", name="forget the transpose of W2").click()
    expect(page.get_by_text("NumPy stops:")).to_be_visible()


def test_points_can_be_uploaded(open_notebook: Open, tmp_path: Path) -> None:
    page = open_notebook("mlp_by_hand")
    lines = [f"{x},{x * x % 7},{'left' if x < 10 else 'right'}" for x in range(20)]
    (tmp_path / "mine.csv").write_text("\n".join(["x1,x2,label", *lines]), "utf-8")
    page.locator("input[type=file]").set_input_files(tmp_path / "mine.csv")
    expect(page.get_by_text("10 training points and 10 test points")).to_be_visible()
    (tmp_path / "wrong.csv").write_text("x1,x2\n1,2\n", "utf-8")
    page.locator("input[type=file]").set_input_files(tmp_path / "wrong.csv")
    expect(page.get_by_text("wrong.csv: no column label")).to_be_visible()


def test_the_version_changes_the_record_of_autograd(open_notebook: Open) -> None:
    page = open_notebook("mlp_pytorch", PHONE)
    expect(page.get_by_text("AddmmBackward0").first).to_be_hidden()
    page.get_by_label("version", exact=True).select_option("sequential")
    expect(page.get_by_text("AddmmBackward0").first).to_be_visible()


def test_the_four_networks_train_again(open_notebook: Open) -> None:
    page = open_notebook("mlp_pytorch")
    expect(page.get_by_alt_text(re.compile("over 60 epochs"))).to_be_visible()
    move(page, "epochs")
    expect(page.get_by_alt_text(re.compile("over 65 epochs"))).to_be_visible()
