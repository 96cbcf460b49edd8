"""The README's links to lines of code lead to the functions they name."""

import re
from pathlib import Path

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
