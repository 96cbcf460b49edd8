"""What the README says of projects 1 and 2 is so."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


def test_links_to_code_lead_to_what_they_name() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    links = re.findall(r"\[`(\w+)`\]\(([\w/]+\.py)#L(\d+)\)", text)
    assert {name for name, *_ in links} >= {"forward", "loss", "backward", "update"}
    for name, path, line in links:
        lines = (ROOT / path).read_text(encoding="utf-8").splitlines()
        found = lines[int(line) - 1]
        assert re.match(rf"(def|class) {name}\b", found), (
            f"README.md: {path}#L{line} is {found!r}, not {name}"
        )


def metrics(name: str) -> Any:
    return json.loads((ROOT / "metrics" / f"mlp_{name}.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("by hand, NumPy", "numpy"),
        ("PyTorch, by hand", "by_hand"),
        ("PyTorch, `nn.Sequential`", "sequential"),
        ("PyTorch, `nn.Module`", "module"),
    ],
)
def test_the_accuracies_are_those_of_the_metrics(label: str, name: str) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"| {label} | {100 * metrics(name)[name]['acc']:.1f} % |" in text


def test_the_digits_are_those_of_the_metrics() -> None:
    text = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    digits = metrics("gradients")["gradient_digits"]
    assert f"the gradients agree to {digits['differences']} digits" in text
    assert f"autograd agrees to {digits['autograd']}," in text
    assert f"{metrics('compare')['loss_digits']} digits agree" in text
