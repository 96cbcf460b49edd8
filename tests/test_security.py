"""What comes from elsewhere is never run, and never believed."""

import ast
import json
import re
import tomllib
from importlib.metadata import distribution
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
import yaml
from hypothesis import given
from hypothesis import strategies as st

from stages.common import params
from stages.common.errors import UserError
from stages.imdb.corpus import corpus, predictions
from stages.imdb.models import serialization
from stages.imdb.models.classifiers import MeanEmbeddingClassifier
from stages.imdb.predict import Predictor, format_prediction, predict
from tests.conftest import ROOT, Run

# The benchmarks' environments of their own, benchmarks/.venvs, are not ours.
SOURCES = sorted([*(ROOT / "stages").rglob("*.py"), *(ROOT / "benchmarks").glob("*.py")])
UNPICKLERS = {"pickle", "cPickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}
NETWORK = {"aiohttp", "ftplib", "http", "httpx", "requests", "socket", "urllib", "urllib3"}


def imported(tree: ast.AST) -> set[str]:
    """The top-level packages that a module imports."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.partition(".")[0])
    return names


def calls(tree: ast.AST) -> list[tuple[str, str]]:
    """Each call of a module: what is called, and with what, as they are written."""
    found = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [(ast.unparse(call.func), ast.unparse(call)) for call in found]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_unpickles_or_runs_data_and_only_one_module_uses_the_network(path: Path) -> None:
    tree = ast.parse(path.read_text("utf-8"))
    assert not imported(tree) & UNPICKLERS
    assert not imported(tree) & NETWORK or path == ROOT / "stages/imdb/fetch.py"
    for name, call in calls(tree):
        assert name not in {"eval", "exec", "torch.load", "torch.save", "yaml.unsafe_load"}, call
        assert not name.endswith(("read_pickle", "to_pickle")), call
        if name in {"np.load", "np.save"}:
            assert "allow_pickle=False" in call
        if name == "yaml.load":
            assert call.endswith("_Loader)")
            assert issubclass(params._Loader, yaml.SafeLoader)
        assert "shell=True" not in call


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained network that is whole."""
    folder = tmp_path_factory.mktemp("model")
    description = serialization.ModelConfig.model_validate(
        {"model": "mean", "data": "made up", "classes": ["bad", "good"], "seeds": [1],
         "sizes": {"vocabulary": 4, "embedding_dim": 2}}
    )  # fmt: skip
    serialization.save_config(description, ["<pad>", "<unk>", "good", "film"], folder)
    serialization.save_weights(MeanEmbeddingClassifier(4, 2), folder, 1)
    return folder


def spoilt(model: Path, folder: Path, **files: bytes) -> Path:
    """A copy of the model in which some files have another content."""
    contents = {path.name: path.read_bytes() for path in model.iterdir()}
    names = {"json": "model.json", "words": "words.txt", "weights": "seed-1.safetensors"}
    for key, content in files.items():
        contents[names[key]] = content
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return folder


def described(**changes: object) -> bytes:
    whole = {
        "model": "mean", "data": "made up", "classes": ["bad", "good"], "seeds": [1],
        "sizes": {"vocabulary": 4, "embedding_dim": 2},
    }  # fmt: skip
    return json.dumps({**whole, **changes}).encode()


def weights(**changes: torch.Tensor) -> bytes:
    tensors = {
        name: t.contiguous() for name, t in MeanEmbeddingClassifier(4, 2).state_dict().items()
    }
    return safetensors.torch.save({**tensors, **changes})


HOSTILE = {
    "empty": {"json": b""},
    "no object": {"json": b"[1]"},
    "nested": {"json": b"[" * 100_000},
    "number": {"json": b'{"seeds": [' + b"9" * 5_000 + b"]}"},
    "bytes": {"json": b"\xff\xfe\x00"},
    "another model": {"json": described(model="../../etc/passwd")},
    "path for a seed": {"json": described(seeds=["../../../etc/passwd"])},
    "no seed": {"json": described(seeds=[])},
    "gigantic": {"json": described(sizes={"vocabulary": 2**31, "embedding_dim": 2**31})},
    "one class": {"json": described(classes=["good"])},
    "a class that steers the terminal": {"json": described(classes=["bad", "\x1b[31mgood"])},
    "more classes than weights": {"json": described(classes=["a", "b", "c"])},
    "negative": {"json": described(sizes={"vocabulary": -4, "embedding_dim": 2})},
    "unknown size": {"json": described(sizes={"vocabulary": 4, "\x1b]0;owned\x07": 2})},
    "unknown key": {"json": described(run="rm -rf /")},
    "no weights": {"weights": b""},
    "a pickle": {"weights": b"\x80\x04cos\nsystem\n(S'true'\ntR."},
    "a long header": {"weights": (2**63).to_bytes(8, "little") + b"{}"},
    "other shape": {"weights": weights(**{"output.weight": torch.zeros(1, 9)})},
    "other name": {"weights": weights(**{"\x1b]0;owned\x07": torch.zeros(1)})},
    "other type": {"weights": weights(**{"output.bias": torch.zeros(1, dtype=torch.float64)})},
    "not a number": {"weights": weights(**{"output.bias": torch.tensor([torch.nan])})},
    "infinite": {"weights": weights(**{"output.bias": torch.tensor([torch.inf])})},
    "too few words": {"words": b"<pad>\n<unk>\n"},
    "words that are none": {"words": b"\xff\xfe\n" * 4},
}


@pytest.mark.parametrize("files", HOSTILE.values(), ids=HOSTILE)
def test_a_damaged_or_hostile_model_is_refused(
    model: Path, tmp_path: Path, files: dict[str, bytes]
) -> None:
    folder = spoilt(model, tmp_path, **files)
    with pytest.raises(UserError, match=re.escape(str(folder))):
        serialization.load_model(folder)


@given(place=st.floats(0, 1), change=st.binary(min_size=1, max_size=8))
def test_no_damage_to_the_weights_is_a_crash(
    model: Path, tmp_path_factory: pytest.TempPathFactory, place: float, change: bytes
) -> None:
    content = bytearray((model / "seed-1.safetensors").read_bytes())
    start = int(place * (len(content) - 1))
    content[start : start + len(change)] = change
    folder = spoilt(model, tmp_path_factory.mktemp("spoilt"), weights=bytes(content))
    try:
        network, _ = serialization.load_model(folder)
    except UserError:
        return
    assert all(weight.isfinite().all() for weight in network.state_dict().values())


@pytest.mark.parametrize(
    "name", ["unknown size", "other name", "a pickle", "a class that steers the terminal"]
)
def test_predict_refuses_it_in_a_line_without_escapes(
    stage: Run, model: Path, tmp_path: Path, name: str
) -> None:
    folder = spoilt(model, tmp_path, **HOSTILE[name])
    done = stage("imdb.predict", "--models", folder, "--", "a film")
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {folder}")
    assert "Traceback" not in done.stderr
    assert "\x1b" not in done.stderr + done.stdout


@pytest.mark.parametrize("content", [b"", b"rubbish" * 9, b"\x80\x04cos\nsystem\n(S'true'\ntR."])
def test_predictions_that_are_none_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(UserError, match="not a file of predictions"):
        predictions.load_predictions(tmp_path / "a")


@given(st.text() | st.text(alphabet="&#x1b;][<a>=\x1b\x07\x9b\u202e0m 9"))
def test_what_predict_prints_holds_no_escapes(model: Path, text: str) -> None:
    rater = Predictor(model)
    for record in predict([text, f"good {text} film"], [rater], explain=True):
        printed = [
            *format_prediction(record, [rater], colour=False).splitlines(),
            json.dumps(record),
        ]
        printed.append(json.dumps(record, ensure_ascii=False))
        assert all(line.isprintable() for line in printed)


def test_a_number_of_a_thousand_digits_in_html_is_no_word(model: Path) -> None:
    (record,) = predict([f"good &#{'9' * 5_000}; film"], [Predictor(model)], explain=False)
    assert record["words"] == 2


def test_the_colours_of_an_explanation_are_its_only_escapes(model: Path) -> None:
    rater = Predictor(model)
    with torch.no_grad():
        rater.network.embedding.weight.copy_(torch.tensor([[0.0, 0], [9, 9], [9, 9], [9, 9]]))
        rater.network.output.weight.copy_(torch.tensor([[1.0, 1]]))
    (record,) = predict(["\x1b]0;owned\x07 good \x9b31m film"], [rater], explain=True)
    shown = format_prediction(record, [rater], colour=True)
    left = re.sub(r"\x1b\[30;48;5;\d+m|\x1b\[0m", "", shown)
    assert left != shown
    assert all(line.isprintable() for line in left.splitlines())


def pinned() -> dict[str, str]:
    """The versions in constraints.txt, by the package's normalised name."""
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pairs = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {normalised(name): version for name, version in pairs}


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_dependency_is_pinned_and_so_is_all_that_it_needs() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    versions = pinned()
    waiting = []
    for requirement in [*project["dependencies"], *project["optional-dependencies"]["dev"]]:
        name, _, version = requirement.partition("==")
        assert versions[normalised(name)] == version
        waiting.append(name)
    seen: set[str] = set()
    while waiting:
        name = normalised(waiting.pop())
        if name in seen:
            continue
        seen.add(name)
        for required in distribution(name).requires or []:
            if ";" in required:  # for another system, or an extra
                continue
            found = re.match(r"[\w.-]+", required)
            assert found
            waiting.append(found.group())
    # setuptools comes with PyTorch and with pip, and runs at most when something is installed.
    assert seen - set(versions) <= {"setuptools"}


def test_numpy_refuses_pickles_where_we_read_arrays(tmp_path: Path) -> None:
    np.save(tmp_path / "ids.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    (tmp_path / "words.txt").write_text("a\n", "utf-8")
    with pytest.raises(UserError, match="not a folder of tokenized reviews"):
        corpus.load_corpus(tmp_path)
