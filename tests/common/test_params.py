"""`params.yaml`: what is wrong in it is named in full, before any work."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from stages.common import params
from stages.common.errors import StageError
from stages.imdb.params import Imdb
from stages.mlp_numpy.params import MLP
from stages.points.params import Points
from tests.conftest import ROOT

SCHEMAS: dict[str, type[params.Section]] = {"points": Points, "mlp": MLP, "imdb": Imdb}
COMMITTED = yaml.safe_load((ROOT / "params.yaml").read_text("utf-8"))


def leaves(tree: dict[str, Any], *above: str) -> list[tuple[str, ...]]:
    """The full key of every value."""
    found = []
    for key, value in tree.items():
        found += leaves(value, *above, key) if isinstance(value, dict) else [(*above, key)]
    return found


KEYS = leaves(COMMITTED)


def load_with(path: Path, key: tuple[str, ...], change: Any) -> params.Section:
    """Load the section of `key` with one change made to it: a value or a function."""
    tree = yaml.safe_load(yaml.safe_dump(COMMITTED))
    branch = tree
    for part in key[:-1]:
        branch = branch[part]
    if callable(change):
        change(branch)
    else:
        branch[key[-1]] = change
    path.write_text(yaml.safe_dump(tree), "utf-8")
    return params.load(path, key[0], SCHEMAS[key[0]])


@pytest.mark.parametrize("section", SCHEMAS)
def test_the_committed_parameters_are_valid(section: str) -> None:
    params.load(ROOT / "params.yaml", section, SCHEMAS[section])


@pytest.mark.parametrize("key", KEYS, ids=".".join)
@pytest.mark.parametrize(
    "value", [None, [], {}, "no such thing \n", -1, 1e30, 10**30, float("nan")]
)
def test_every_impossible_value_is_refused_by_its_full_name(
    tmp_path: Path, key: tuple[str, ...], value: Any
) -> None:
    with pytest.raises(StageError) as error:
        load_with(tmp_path / "params.yaml", key, value)
    assert ".".join(key) in str(error.value)


@pytest.mark.parametrize("key", KEYS, ids=".".join)
def test_every_missing_key_is_named(tmp_path: Path, key: tuple[str, ...]) -> None:
    with pytest.raises(StageError) as error:
        load_with(tmp_path / "params.yaml", key, lambda branch: branch.pop(key[-1]))
    assert f"{'.'.join(key)} is missing" in str(error.value)


@pytest.mark.parametrize("key", KEYS, ids=".".join)
def test_every_misspelt_key_is_named(tmp_path: Path, key: tuple[str, ...]) -> None:
    def misspell(branch: dict[str, Any]) -> None:
        branch[key[-1] + "s"] = branch.pop(key[-1])

    with pytest.raises(StageError) as error:
        load_with(tmp_path / "params.yaml", key, misspell)
    assert f"{'.'.join(key)}s is not a known key" in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("imdbb: {}", "unknown key 'imdbb'"),
        ("points: {}", "the section 'mlp' is missing"),
        ("mlp: {a: 1, a: 2}", "duplicate key 'a'"),
        ("points: &x {}\nmlp: *x", "aliases are not allowed"),
        ("mlp: !!python/object/apply:os.system [ls]", "not valid YAML"),
        ("mlp: [", "not valid YAML"),
        ("", "expected sections"),
        ("- a", "expected sections"),
    ],
)
def test_other_mistakes_are_told(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(text, "utf-8")
    with pytest.raises(StageError, match=message):
        params.load(path, "mlp", MLP)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(StageError, match="no such file"):
        params.load(tmp_path / "params.yaml", "mlp", MLP)


@given(st.floats(1e-6, 1e-1), st.sampled_from(["{:e}", "{:.0e}", "{:g}", "{:f}"]))
def test_numbers_may_be_written_in_any_way(value: float, form: str) -> None:
    text = form.format(value)
    if float(text) > 0:
        assert yaml.load(f"a: {text}", params._Loader) == {"a": float(text)}  # noqa: S506
