"""`params.yaml`: what is wrong in it is named in full, before any work."""

import copy
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.common import params
from stages.common.errors import StageError
from stages.imdb.params import Imdb
from stages.mlp_numpy.params import MLP
from stages.points.params import Points
from tests.conftest import ROOT

SCHEMAS: dict[str, type[params.Section]] = {"points": Points, "mlp": MLP, "imdb": Imdb}
COMMITTED = yaml.safe_load((ROOT / "params.yaml").read_text("utf-8"))


def rules(schema: Any, definitions: Any, *above: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    """The full key of every value, and what a JSON schema says of it."""
    for key, rule in schema["properties"].items():
        if "$ref" in rule:
            inner = definitions[rule["$ref"].rpartition("/")[2]]
            yield from rules(inner, definitions, *above, key)
        else:
            yield (*above, key), rule


RULES = {
    key: rule
    for name, section in SCHEMAS.items()
    for schema in [section.model_json_schema()]
    for key, rule in rules(schema, schema.get("$defs"), name)
}
KEYS = list(RULES)


def fits(value: Any, rule: Any) -> bool:
    """Whether a value obeys a rule of a JSON schema; of those that there are here."""
    if "enum" in rule:
        return type(value) in (int, str) and value in rule["enum"]
    if rule["type"] == "array":
        return (
            isinstance(value, list)
            and rule["minItems"] <= len(value) <= rule["maxItems"]
            and all(fits(v, rule["items"]) for v in value)
            and not ("uniqueItems" in rule and len({*value}) < len(value))
        )
    if rule["type"] == "string":
        pattern = rule["pattern"].replace("$", r"\Z")  # `$` would let a last newline pass
        return isinstance(value, str) and re.search(pattern, value) is not None
    if type(value) not in ((int,) if rule["type"] == "integer" else (int, float)):
        return False
    return bool(
        rule.get("minimum", value) <= value <= rule.get("maximum", value)
        and ("exclusiveMinimum" not in rule or value > rule["exclusiveMinimum"])
        and ("exclusiveMaximum" not in rule or value < rule["exclusiveMaximum"])
    )


ANYTHING = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9)
    | st.dictionaries(st.text(max_size=3), st.integers(), max_size=2)
    | st.sampled_from([0, -1, 1e30, 10**9, 10**30, "no such thing \n", [], [[]], "1", "true"])
)  # fmt: skip


def near(rule: Any) -> st.SearchStrategy[Any]:
    """Values that obey a rule of a JSON schema, and those that nearly do."""
    if "enum" in rule:
        return st.sampled_from(rule["enum"]).flatmap(lambda v: st.sampled_from([v, [v], f"{v} "]))
    if rule["type"] == "array":
        return st.lists(near(rule["items"]) | ANYTHING, max_size=3)
    if rule["type"] == "string":
        return st.from_regex(rule["pattern"]).flatmap(lambda v: st.sampled_from([v, v + "\n"]))
    bounds = [value for key, value in rule.items() if re.search("imum$", key)]
    close = [bound + step for bound in bounds for step in (-1, -1e-9, 0, 1e-9, 1)]
    inside = st.integers if rule["type"] == "integer" else st.floats
    return st.sampled_from(close) | inside(min(bounds), max(bounds))


def load_with(path: Path, key: tuple[str, ...], change: Any) -> params.Section:
    """Load the section of `key` with one change made to it: a value or a function."""
    tree = copy.deepcopy(COMMITTED)
    tree["points"]["kind"] = "blobs"  # which come in any number of classes
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


def test_every_committed_key_has_a_rule() -> None:
    def keys(tree: dict[str, Any], *above: str) -> Iterator[tuple[str, ...]]:
        for key, value in tree.items():
            yield from keys(value, *above, key) if isinstance(value, dict) else [(*above, key)]

    assert set(keys(COMMITTED)) == set(KEYS)


@pytest.mark.parametrize("key", KEYS, ids=".".join)
@settings(max_examples=25)
@given(data=st.data())
def test_a_value_is_taken_as_the_schema_says_or_refused_by_its_full_name(
    tmp_path_factory: pytest.TempPathFactory, key: tuple[str, ...], data: st.DataObject
) -> None:
    value = data.draw(near(RULES[key]) | ANYTHING)
    path = tmp_path_factory.getbasetemp() / "params.yaml"
    if fits(value, RULES[key]):
        load_with(path, key, value)
        return
    with pytest.raises(StageError) as error:
        load_with(path, key, value)
    assert ".".join(key) in str(error.value)


def wrong(rule: Any) -> list[Any]:
    """Values of another type, and just out of the range, of a rule of a JSON schema."""
    bounds = [(rule[key], 1 if "max" in key.lower() else -1) for key in rule if "imum" in key]
    beyond = [bound + step for bound, step in bounds]
    return [v for v in [None, True, {}, [], "no such thing", *beyond] if not fits(v, rule)]


@pytest.mark.parametrize("key", KEYS, ids=".".join)
def test_every_key_refuses_other_types_and_what_is_out_of_its_range(
    tmp_path: Path, key: tuple[str, ...]
) -> None:
    values = wrong(RULES[key])
    assert len(values) >= 4
    for value in values:
        with pytest.raises(StageError) as error:
            load_with(tmp_path / "params.yaml", key, value)
        assert ".".join(key) in str(error.value)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("mlp.epochs", 0),
        ("mlp.batch", 10**9),
        ("mlp.learning_rate", 1e9),
        ("imdb.vocabulary.size", 1),
        ("imdb.mean.epochs", 0),
        ("imdb.lstm.batch", 10**9),
        ("imdb.pretrain.learning_rate", 1e9),
        ("imdb.archive.url", "http://ai.stanford.edu/archive.tar.gz"),
        ("imdb.archive.url", "http://localhost:secret@elsewhere.org/archive.tar.gz"),
        ("imdb.seeds", []),
        ("imdb.seeds", [1, 2, 1]),
    ],
)
def test_what_is_absurd_is_refused(tmp_path: Path, key: str, value: object) -> None:
    with pytest.raises(StageError, match=re.escape(key)):
        load_with(tmp_path / "params.yaml", tuple(key.split(".")), value)


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
        ("mlp: !!python/object/apply:os.system [ls]", "tags are not allowed"),
        ("mlp: {hidden: !!int '16'}", "tags are not allowed"),
        ("mlp: !!timestamp never", "tags are not allowed"),
        ("mlp: {<<: 1}", "not valid YAML"),
        ("mlp: {[1, 2]: 3}", "a key must be a word"),
        ("? {a: 1}\n: 2", "a key must be a word"),
        ("mlp: 2026-02-31", "not valid YAML"),
        (f"mlp: {{hidden: {'1' * 5_000}}}", "not valid YAML"),
        ("mlp: {" + "a: {" * 400, "nested too deeply"),
        ("[" * 400, "nested too deeply"),
        ("a: \x1b", "not valid YAML"),
        ("mlp: {}\n---\nmlp: {}", "not valid YAML"),
        ("a: &a [lol, lol]\nb: &b [*a, *a]\nmlp: [*b, *b]", "aliases are not allowed"),
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


def test_a_file_that_is_not_utf_8_is_told(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_bytes(b"mlp: \xff\xfe")
    with pytest.raises(StageError, match="not valid YAML"):
        params.load(tmp_path / "params.yaml", "mlp", MLP)


@given(st.text(alphabet="a1:-[]{}&*!?|>'\"%@`#,<= \n\t.~"))
def test_no_text_makes_the_reader_crash(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "params.yaml"
    path.write_text(text, "utf-8")
    with pytest.raises(StageError, match=re.escape(str(path))):
        params.load(path, "mlp", MLP)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(StageError, match="no such file"):
        params.load(tmp_path / "params.yaml", "mlp", MLP)


@given(st.floats(1e-6, 1e-1), st.sampled_from(["{:e}", "{:.0e}", "{:g}", "{:f}"]))
def test_numbers_may_be_written_in_any_way(value: float, form: str) -> None:
    text = form.format(value)
    if float(text) > 0:
        assert yaml.load(f"a: {text}", params._Loader) == {"a": float(text)}  # noqa: S506
