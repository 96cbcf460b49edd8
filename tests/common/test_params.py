"""`params.yaml`: a wrong key or value is named in full, before any work."""

import copy
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from stages.common.errors import UserError
from stages.common.params import ParamsSection, load_params
from stages.imdb.corpus.params import Imdb
from stages.mlp_numpy.params import MLP
from stages.points.params import Points
from tests.clone import ROOT

SCHEMAS: dict[str, type[ParamsSection]] = {"points": Points, "mlp": MLP, "imdb": Imdb}
COMMITTED = YAML(typ="safe", pure=True).load(ROOT / "params.yaml")


def load_with(path: Path, key: tuple[str, ...], change: Any) -> ParamsSection:
    """Load the section of `key` with one change: a value, or a function of its parent."""
    tree = copy.deepcopy(COMMITTED)
    tree["points"]["dataset"] = "blobs"  # with any number of classes
    parent = tree
    for part in key[:-1]:
        parent = parent[part]
    if callable(change):
        change(parent)
    else:
        parent[key[-1]] = change
    # PyYAML writes YAML 1.1, where 1e-3 is a string. With quotes and tags every type is explicit.
    path.write_text(yaml.safe_dump(tree, default_style='"'), "utf-8")
    return load_params(path, key[0], SCHEMAS[key[0]])


@pytest.mark.parametrize("section", SCHEMAS)
def test_the_committed_parameters_are_valid(section: str) -> None:
    load_params(ROOT / "params.yaml", section, SCHEMAS[section])


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("points.dataset", "torus"),
        ("points.n_samples", 10**9),
        ("points.noise", -0.1),
        ("points.test_size", 1.0),
        ("points.n_classes", 1),
        ("points.seed", -1),
        ("mlp.hidden_size", 1.5),
        ("mlp.activation", 3),
        ("mlp.epochs", 0),
        ("mlp.batch_size", 10**9),
        ("mlp.learning_rate", 1e9),
        ("mlp.learning_rate", 0.0),
        ("mlp.learning_rate", "fast"),
        ("mlp.momentum", 1.0),
        ("mlp.momentum", None),
        ("imdb.vocabulary.size", 1),
        ("imdb.mean.epochs", 0),
        ("imdb.lstm.batch_size", 10**9),
        ("imdb.pretrain.learning_rate", 1e9),
        ("imdb.archive.url", "http://ai.stanford.edu/archive.tar.gz"),
        ("imdb.archive.url", "http://localhost:secret@elsewhere.org/archive.tar.gz"),
        ("imdb.validation", 0.6),
        ("imdb.lstm.dropout", 1.0),
        ("imdb.lstm.bidirectional", "yes"),
        ("imdb.lstm.finetune.adv_epsilon", -0.1),
        ("imdb.train.precision", "float16"),
        ("imdb.neighbour_words", "war"),
        ("imdb.seeds", []),
        ("imdb.seeds", [1, 2, 1]),
    ],
)
def test_an_absurd_value_is_refused(tmp_path: Path, key: str, value: object) -> None:
    with pytest.raises(UserError, match=re.escape(key)):
        load_with(tmp_path / "params.yaml", tuple(key.split(".")), value)


@pytest.mark.parametrize("name", ["points.noise", "imdb.seeds", "imdb.lstm.finetune.epochs"])
def test_a_missing_or_misspelt_key_is_named(tmp_path: Path, name: str) -> None:
    key = tuple(name.split("."))

    def misspell(parent: dict[str, Any]) -> None:
        parent[key[-1] + "x"] = parent.pop(key[-1])

    with pytest.raises(UserError) as caught:
        load_with(tmp_path / "params.yaml", key, lambda parent: parent.pop(key[-1]))
    assert str(caught.value) == f"{tmp_path / 'params.yaml'}: {name} is missing"
    with pytest.raises(UserError) as caught:
        load_with(tmp_path / "params.yaml", key, misspell)
    assert f"{name}x is not a known key" in str(caught.value)


def renamed() -> Iterator[tuple[str, str]]:
    """Yield each earlier name of a parameter, in full, and its present name."""
    sections = [*SCHEMAS.items()]
    for name, schema in sections:
        yield from ((f"{name}.{old}", new) for old, new in schema.RENAMED.items())
        for key, field in schema.model_fields.items():
            if isinstance(field.annotation, type) and issubclass(field.annotation, ParamsSection):
                sections.append((f"{name}.{key}", field.annotation))


@pytest.mark.parametrize(("old", "new"), [*renamed()])
def test_an_old_name_is_refused_with_the_new_one(tmp_path: Path, old: str, new: str) -> None:
    key = tuple(old.split("."))

    def rename(parent: dict[str, Any]) -> None:
        parent[key[-1]] = parent.pop(new)

    path = tmp_path / "params.yaml"
    with pytest.raises(UserError) as caught:
        load_with(path, key, rename)
    assert f"{path}: {old} is now called {new}; rename it" in str(caught.value).split("\n       ")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("imdbb: {}", "unknown key 'imdbb'"),
        ("points: {}", "the section 'mlp' is missing"),
        ("mlp: {a: 1, a: 2}", 'duplicate key "a"'),
        ("mlp: !!timestamp never", "not valid YAML"),
        ("mlp: {1: 3}", "mlp.1 = 1: Keys should be strings"),
        ("mlp: " + "{a: " * 5_000 + "}" * 5_000, "nested too deeply"),
        ("mlp: {}\n---\nmlp: {}", "not valid YAML"),
        ("mlp: &a {hidden_size: *a}", "mlp.hidden_size = "),
        ("mlp: [", "not valid YAML"),
        ("", "expected sections"),
        ("- a", "expected sections"),
    ],
)
def test_other_mistakes_are_reported(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(text, "utf-8")
    with pytest.raises(UserError, match=re.escape(message)) as caught:
        load_params(path, "mlp", MLP)
    assert str(caught.value).startswith(f"{path}: ")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"params\.yaml: no such file"):
        load_params(tmp_path / "params.yaml", "mlp", MLP)


@given(st.text(alphabet="a1:-[]{}&*!?|>'\"%@`#,<= \n\t.~"))
def test_no_text_causes_a_traceback(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "params.yaml"
    path.write_text(text, "utf-8")
    with pytest.raises(UserError, match=re.escape(str(path))):
        load_params(path, "mlp", MLP)


class Numbers(ParamsSection):
    """A section with one number, in place of the section `mlp`."""

    number: float


@pytest.mark.parametrize("text", ["0.001", "1e-3", "1E-03", "1.0e-3"])
def test_numbers_may_have_any_notation(tmp_path: Path, text: str) -> None:
    """Also 1e-3, which is a string in YAML 1.1."""
    path = tmp_path / "params.yaml"
    path.write_text(f"mlp: {{number: {text}}}", "utf-8")
    assert load_params(path, "mlp", Numbers).number == 1e-3
