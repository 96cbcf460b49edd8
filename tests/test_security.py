"""Files from elsewhere are never executed, and are validated."""

import ast
import json
import re
import shutil
import tomllib
from importlib.metadata import distribution
from itertools import chain
from pathlib import Path

import pytest
import safetensors.torch
import torch
from hypothesis import given
from hypothesis import strategies as st

from stages.imdb.models import serialization
from stages.imdb.models.classifiers import MeanEmbeddingClassifier
from stages.imdb.predict import NetworkEnsemble, Predictor, format_record, predict
from tests.conftest import ROOT, Run

SOURCES = sorted(
    [
        *(ROOT / "stages").rglob("*.py"),
        *(ROOT / "scripts").rglob("*.py"),
        *(ROOT / "benchmarks").glob("*.py"),  # without its virtual environments
    ]
)
UNPICKLERS = {"pickle", "cPickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}
NETWORK_LIBRARIES = {
    "aiohttp",
    "ftplib",
    "http",
    "httpx",
    "requests",
    "socket",
    "urllib",
    "urllib3",
}


def imported(tree: ast.AST) -> set[str]:
    """Return the top-level packages that a module imports."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.partition(".")[0])
    return names


def calls(tree: ast.AST) -> list[tuple[str, str]]:
    """Return the source of the called function and of the whole call, for each call."""
    found = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [(ast.unparse(call.func), ast.unparse(call)) for call in found]


def test_no_module_unpickles_or_executes_data_and_one_uses_the_network() -> None:
    for path in SOURCES:
        tree = ast.parse(path.read_text("utf-8"))
        network = imported(tree) & NETWORK_LIBRARIES
        assert not imported(tree) & UNPICKLERS, path
        assert not network or path == ROOT / "stages/imdb/download/http.py", path
        for name, call in calls(tree):
            assert name not in {"eval", "exec", "torch.load", "torch.save"}, call
            assert name not in {"yaml.load", "yaml.full_load", "yaml.unsafe_load"}, call
            assert not name.endswith(("read_pickle", "to_pickle")), call
            if name == "YAML":
                assert "typ='safe'" in call
            if name in {"np.load", "np.save"}:
                assert "allow_pickle=False" in call
            assert "shell=True" not in call


CONFIG = {
    "model": "mean", "data_name": "made up", "classes": ["bad", "good"], "seeds": [1],
    "kwargs": {"vocab_size": 4, "embedding_dim": 2},
}  # fmt: skip
FILES = {"config": "config.json", "vocab": "vocab.txt", "weights": "seed-1.safetensors"}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A valid network."""
    folder = tmp_path_factory.mktemp("model")
    config = serialization.ModelConfig.model_validate(CONFIG)
    serialization.save_config(config, ["<pad>", "<unk>", "good", "film"], folder)
    serialization.save_weights(MeanEmbeddingClassifier(4, 2), folder, "seed-1")
    return folder


def copy_with(model: Path, folder: Path, **files: bytes | None) -> Path:
    """Copy the network to `folder` and replace or, if None, remove some of the FILES."""
    shutil.copytree(model, folder, dirs_exist_ok=True)
    for key, content in files.items():
        path = folder / FILES[key]
        path.unlink() if content is None else path.write_bytes(content)
    return folder


def config(**changes: object) -> bytes:
    return json.dumps({**CONFIG, **changes}).encode()


def weights(**changes: torch.Tensor) -> bytes:
    return safetensors.torch.save({**MeanEmbeddingClassifier(4, 2).state_dict(), **changes})


HOSTILE: dict[str, dict[str, bytes | None]] = {
    "config missing": {"config": None},
    "vocabulary missing": {"vocab": None},
    "weights missing": {"weights": None},
    "empty": {"config": b""},
    "not an object": {"config": b"[1]"},
    "nested": {"config": b"[" * 100_000},
    "long number": {"config": b'{"seeds": [' + b"9" * 5_000 + b"]}"},
    "not UTF-8": {"config": b"\xff\xfe\x00"},
    "another model": {"config": config(model="../../etc/passwd")},
    "path as seed": {"config": config(seeds=["../../../etc/passwd"])},
    "no seed": {"config": config(seeds=[])},
    "gigantic": {"config": config(kwargs={"vocab_size": 2**31, "embedding_dim": 2**31})},
    "one class": {"config": config(classes=["good"])},
    "escape sequence in a class": {"config": config(classes=["bad", "\x1b[31mgood"])},
    "more classes than weights": {"weights": weights(), "config": config(classes=["a", "b", "c"])},
    "negative size": {"config": config(kwargs={"vocab_size": -4, "embedding_dim": 2})},
    "unknown size": {"config": config(kwargs={"vocab_size": 4, "\x1b]0;owned\x07": 2})},
    "unknown key": {"config": config(run="rm -rf /")},
    "no weights": {"weights": b""},
    "pickle": {"weights": b"\x80\x04cos\nsystem\n(S'true'\ntR."},
    "long header": {"weights": (2**63).to_bytes(8, "little") + b"{}"},
    "other shape": {"weights": weights(**{"output.weight": torch.zeros(1, 9)})},
    "other name": {"weights": weights(**{"\x1b]0;owned\x07": torch.zeros(1)})},
    "other dtype": {"weights": weights(**{"output.bias": torch.zeros(1, dtype=torch.float64)})},
    "NaN": {"weights": weights(**{"output.bias": torch.tensor([torch.nan])})},
    "infinite": {"weights": weights(**{"output.bias": torch.tensor([torch.inf])})},
    "too few words": {"vocab": b"<pad>\n<unk>\n"},
    "words not UTF-8": {"vocab": b"\xff\xfe\n" * 4},
}


@pytest.mark.parametrize("files", HOSTILE.values(), ids=HOSTILE)
def test_a_damaged_or_hostile_model_is_refused_without_escapes(
    stage: Run, model: Path, tmp_path: Path, files: dict[str, bytes | None]
) -> None:
    folder = copy_with(model, tmp_path, **files)
    done = stage("imdb.predict", "--model", folder, "a film")
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {folder}/{FILES[next(iter(files))]}: ")
    assert "Traceback" not in done.stderr
    assert "\x1b" not in done.stderr + done.stdout


@given(st.text() | st.text(alphabet="&#x1b;][<a>=\x1b\x07\x9b\u202e0m 9"))
def test_the_output_of_predict_has_no_escape_sequences(model: Path, text: str) -> None:
    predictor = Predictor(model)
    for record in predict([text, f"good {text} film"], [predictor], explain=True):
        lines = format_record(record, color=False, show_text=True).splitlines()
        assert all(line.isprintable() for line in [*lines, json.dumps(record)])


def test_the_only_escape_sequences_of_an_explanation_are_its_colors(model: Path) -> None:
    predictor = Predictor(model)
    assert isinstance(predictor.model, NetworkEnsemble)
    [network] = predictor.model.networks
    with torch.no_grad():
        network.embedding.weight.copy_(torch.tensor([[0.0, 0], [9, 9], [9, 9], [9, 9]]))
        network.output.weight.copy_(torch.tensor([[1.0, 1]]))
    (record,) = predict(["\x1b]0;owned\x07 good \x9b31m film"], [predictor], explain=True)
    colored = format_record(record, color=True, show_text=True)
    plain = re.sub(r"\x1b\[30;48;5;\d+m|\x1b\[0m", "", colored)
    assert plain != colored
    assert all(line.isprintable() for line in plain.splitlines())


def pinned() -> dict[str, str]:
    """Return the versions in constraints.txt by normalized package name."""
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pairs = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {normalized(name): version for name, version in pairs}


def normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_all_dependencies_are_pinned_including_indirect_ones() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    versions = pinned()
    names = []
    for requirement in chain(project["dependencies"], *project["optional-dependencies"].values()):
        name, _, version = requirement.partition("==")
        if name.startswith(f"{project['name']}["):  # an extra that contains another
            continue
        assert versions[normalized(name)] == version
        names.append(name)
    seen: set[str] = set()
    while names:
        name = normalized(names.pop())
        if name in seen:
            continue
        seen.add(name)
        for required in distribution(name).requires or []:
            if ";" in required:  # for another platform, or for an extra
                continue
            found = re.match(r"[\w.-]+", required)
            assert found
            names.append(found.group())
    # setuptools is not pinned: it comes with pip and runs only during installation.
    assert seen - set(versions) <= {"setuptools"}
