"""`params.yaml`: every wrong key or value is named in full, before any work."""

import copy
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from stages.common.errors import UserError
from stages.common.params import ParamsSection, load_params
from stages.imdb.corpus.params import Imdb
from stages.mlp_numpy.model import ACTIVATIONS
from stages.mlp_numpy.params import MLP
from stages.points.params import Points
from tests.clone import ROOT

SCHEMAS: dict[str, type[ParamsSection]] = {"points": Points, "mlp": MLP, "imdb": Imdb}
COMMITTED = YAML(typ="safe", pure=True).load(ROOT / "params.yaml")


def iter_rules(schema: Any, definitions: Any, *above: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield the full key of every parameter and its rule in the JSON schema."""
    for key, rule in schema["properties"].items():
        if "$ref" in rule:
            section = definitions[rule["$ref"].rpartition("/")[2]]
            yield from iter_rules(section, definitions, *above, key)
        else:
            yield (*above, key), rule


RULES = {
    key: rule
    for name, section in SCHEMAS.items()
    for schema in [section.model_json_schema()]
    for key, rule in iter_rules(schema, schema.get("$defs"), name)
}
RULES["mlp", "activation"] = {"enum": list(ACTIVATIONS)}  # a validator checks it, not the schema
KEYS = list(RULES)


def is_valid(value: Any, rule: Any) -> bool:
    """Return whether a value obeys a rule of a JSON schema; covers only the rules used here."""
    if "enum" in rule:
        return type(value) in (int, str) and value in rule["enum"]
    if rule["type"] == "boolean":
        return isinstance(value, bool)
    if rule["type"] == "array":
        return (
            isinstance(value, list)
            and rule["minItems"] <= len(value) <= rule["maxItems"]
            and all(is_valid(v, rule["items"]) for v in value)
            and not ("uniqueItems" in rule and len({*value}) < len(value))
        )
    if rule["type"] == "string":
        pattern = rule["pattern"].replace("$", r"\Z")  # `$` would accept a trailing newline
        return isinstance(value, str) and re.search(pattern, value) is not None
    if type(value) not in ((int,) if rule["type"] == "integer" else (int, float)):
        return False
    return bool(
        rule.get("minimum", value) <= value <= rule.get("maximum", value)
        and ("exclusiveMinimum" not in rule or value > rule["exclusiveMinimum"])
        and ("exclusiveMaximum" not in rule or value < rule["exclusiveMaximum"])
    )


ANY_VALUE = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9)
    | st.dictionaries(st.text(max_size=3), st.integers(), max_size=2)
    | st.sampled_from([0, -1, 1e30, 10**9, 10**30, "no such value \n", [], [[]], "1", "true"])
)  # fmt: skip


def valid_or_close(rule: Any) -> st.SearchStrategy[Any]:
    """Values that obey a rule of a JSON schema, and values just outside it."""
    if "enum" in rule:
        return st.sampled_from(rule["enum"]).flatmap(lambda v: st.sampled_from([v, [v], f"{v} "]))
    if rule["type"] == "array":
        return st.lists(valid_or_close(rule["items"]) | ANY_VALUE, max_size=3)
    if rule["type"] == "string":
        return st.from_regex(rule["pattern"]).flatmap(lambda v: st.sampled_from([v, v + "\n"]))
    if rule["type"] == "boolean":
        return st.booleans()
    bounds = [value for key, value in rule.items() if re.search("imum$", key)]
    close = [bound + step for bound in bounds for step in (-1, -1e-9, 0, 1e-9, 1)]
    inside = st.integers if rule["type"] == "integer" else st.floats
    return st.sampled_from(close) | inside(min(bounds), max(bounds))


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


def test_the_committed_keys_are_those_of_the_schemas() -> None:
    def keys(tree: dict[str, Any], *above: str) -> Iterator[tuple[str, ...]]:
        for key, value in tree.items():
            yield from keys(value, *above, key) if isinstance(value, dict) else [(*above, key)]

    assert set(keys(COMMITTED)) == set(KEYS)


@pytest.mark.parametrize("key", KEYS, ids=".".join)
@settings(max_examples=10)
@given(data=st.data())
def test_a_value_is_accepted_if_valid_and_otherwise_named(
    tmp_path_factory: pytest.TempPathFactory, key: tuple[str, ...], data: st.DataObject
) -> None:
    value = data.draw(valid_or_close(RULES[key]) | ANY_VALUE)
    path = tmp_path_factory.getbasetemp() / "params.yaml"
    if is_valid(value, RULES[key]):
        load_with(path, key, value)
        return
    with pytest.raises(UserError) as caught:
        load_with(path, key, value)
    assert ".".join(key) in str(caught.value)


def invalid_values(rule: Any) -> list[Any]:
    """Return values of other types, and values just outside the bounds of a rule."""
    bounds = [(rule[key], 1 if "max" in key.lower() else -1) for key in rule if "imum" in key]
    outside = [bound + step for bound, step in bounds]
    return [v for v in [None, True, {}, [], "no such value", *outside] if not is_valid(v, rule)]


@pytest.mark.parametrize("key", KEYS, ids=".".join)
def test_every_key_refuses_other_types_and_values_outside_its_bounds(
    tmp_path: Path, key: tuple[str, ...]
) -> None:
    values = invalid_values(RULES[key])
    assert len(values) >= 4
    for value in values:
        with pytest.raises(UserError) as caught:
            load_with(tmp_path / "params.yaml", key, value)
        assert ".".join(key) in str(caught.value)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("mlp.epochs", 0),
        ("mlp.batch_size", 10**9),
        ("mlp.learning_rate", 1e9),
        ("imdb.vocabulary.size", 1),
        ("imdb.mean.epochs", 0),
        ("imdb.lstm.batch_size", 10**9),
        ("imdb.pretrain.learning_rate", 1e9),
        ("imdb.archive.url", "http://ai.stanford.edu/archive.tar.gz"),
        ("imdb.archive.url", "http://localhost:secret@elsewhere.org/archive.tar.gz"),
        ("imdb.seeds", []),
        ("imdb.seeds", [1, 2, 1]),
    ],
)
def test_an_absurd_value_is_refused(tmp_path: Path, key: str, value: object) -> None:
    with pytest.raises(UserError, match=re.escape(key)):
        load_with(tmp_path / "params.yaml", tuple(key.split(".")), value)


@pytest.mark.parametrize("key", KEYS, ids=".".join)
def test_a_missing_key_is_named(tmp_path: Path, key: tuple[str, ...]) -> None:
    with pytest.raises(UserError) as caught:
        load_with(tmp_path / "params.yaml", key, lambda parent: parent.pop(key[-1]))
    assert str(caught.value) == f"{tmp_path / 'params.yaml'}: {'.'.join(key)} is missing"


@pytest.mark.parametrize("key", KEYS, ids=".".join)
def test_a_misspelt_key_is_named(tmp_path: Path, key: tuple[str, ...]) -> None:
    def misspell(parent: dict[str, Any]) -> None:
        parent[key[-1] + "x"] = parent.pop(key[-1])

    with pytest.raises(UserError) as caught:
        load_with(tmp_path / "params.yaml", key, misspell)
    assert f"{'.'.join(key)}x is not a known key" in str(caught.value)


RENAMED = {
    "points.kind": "dataset",
    "points.size": "n_samples",
    "points.test": "test_size",
    "points.classes": "n_classes",
    "mlp.hidden": "hidden_size",
    "mlp.batch": "batch_size",
    "imdb.linear.min_reviews": "min_df",
    "imdb.train.processes": "num_processes",
    "imdb.mean.batch": "batch_size",
    "imdb.mean.window": "max_length",
    "imdb.mean.unlabelled": "unlabelled_fraction",
    "imdb.mean.buckets": "num_buckets",
    "imdb.pretrain.batch": "batch_size",
    "imdb.pretrain.steps": "bptt",
    "imdb.pretrain.sample": "num_sampled",
    "imdb.lstm.hidden": "hidden_size",
    "imdb.lstm.batch": "batch_size",
    "imdb.lstm.window": "max_length",
    "imdb.lstm.unlabelled": "unlabelled_fraction",
    "imdb.lstm.buckets": "num_buckets",
    "imdb.lstm.refine": "finetune",
    "imdb.lstm.finetune.perturbation": "adv_epsilon",
    "imdb.words": "neighbour_words",
}


@pytest.mark.parametrize(("old", "new"), RENAMED.items(), ids=RENAMED)
def test_an_old_name_is_refused_with_the_new_one(tmp_path: Path, old: str, new: str) -> None:
    key = tuple(old.split("."))

    def rename(parent: dict[str, Any]) -> None:
        parent[key[-1]] = parent.pop(new)

    path = tmp_path / "params.yaml"
    with pytest.raises(UserError) as caught:
        load_with(path, key, rename)
    assert f"{path}: {old} is now called {new}; rename it" in str(caught.value).split("\n       ")


def test_every_old_name_in_the_schemas_is_tested() -> None:
    sections = [*SCHEMAS.items()]
    found = set()
    for name, schema in sections:
        found |= {f"{name}.{old}" for old in schema.RENAMED}
        for key, field in schema.model_fields.items():
            if isinstance(field.annotation, type) and issubclass(field.annotation, ParamsSection):
                sections.append((f"{name}.{key}", field.annotation))
    assert found == set(RENAMED)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("imdbb: {}", "unknown key 'imdbb'"),
        ("points: {}", "the section 'mlp' is missing"),
        ("mlp: {a: 1, a: 2}", 'duplicate key "a"'),
        ("mlp: !!timestamp never", "not valid YAML"),
        ("mlp: !!bool never", "not valid YAML"),
        ("mlp: !!int never", "not valid YAML"),
        ("mlp: {<<: 1}", "not valid YAML"),
        ("mlp: {1: 3}", "mlp.1 = 1: Keys should be strings"),
        ("[1]: 2", "unknown key"),
        ("? {a: 1}\n: 2", "not valid YAML"),
        ("mlp: 2026-02-31", "not valid YAML"),
        (f"mlp: {{hidden_size: {'1' * 5_000}}}", "not valid YAML"),
        ("mlp: " + "{a: " * 5_000 + "}" * 5_000, "nested too deeply"),
        ("[" * 400, "not valid YAML"),
        ("a: \x1b", "not valid YAML"),
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


def test_a_tag_runs_no_code(tmp_path: Path) -> None:
    path, folder = tmp_path / "params.yaml", tmp_path / "made by the tag"
    path.write_text(f"mlp: !!python/object/apply:os.mkdir ['{folder}']", "utf-8")
    with pytest.raises(UserError, match="not valid YAML: could not determine a constructor"):
        load_params(path, "mlp", MLP)
    assert not folder.exists()


def test_a_file_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_bytes(b"mlp: \xff\xfe")
    with pytest.raises(UserError, match="not valid YAML"):
        load_params(tmp_path / "params.yaml", "mlp", MLP)


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


@given(st.floats(1e-6, 1e-1), st.sampled_from(["{:e}", "{:.0e}", "{:g}", "{:f}"]))
def test_numbers_may_have_any_notation(
    tmp_path_factory: pytest.TempPathFactory, value: float, notation: str
) -> None:
    """Also 1e-3, which is a string in YAML 1.1."""
    text = notation.format(value)
    path = tmp_path_factory.getbasetemp() / "params.yaml"
    path.write_text(f"mlp: {{number: {text}}}", "utf-8")
    assert load_params(path, "mlp", Numbers).number == float(text)


def test_aliases_share_values(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("points: {noise: &noise 0.5}\nmlp: {number: *noise}", "utf-8")
    assert load_params(path, "mlp", Numbers).number == 0.5
