"""Stages of project 3 through their command lines: unreadable inputs, a full disk."""

from pathlib import Path

import pytest

from tests.conftest import Run

COMMANDS = {
    "imdb.preprocess.tokenize": "--reviews {bad} --tokens {out}",
    "imdb.preprocess.vocabulary": "--tokens {bad} --corpus {out} --metrics {out}.json",
    "imdb.linear.main":
        "--reviews {bad} --model {out}.model --predictions {out} --unlabelled {out}.more",
    "imdb.pretraining.main":
        "--corpus {bad} --live {out}.live --checkpoints {out}.tmp --out {out}",
    "imdb.training.main":
        "mean --corpus {bad} --live {out}.live --checkpoints {out}.tmp --out {out}",
    "imdb.models.predict_split": "--model {bad} --corpus {bad} --predictions {out}",
    "imdb.evaluation.evaluate":
        "--predictions {bad} --corpus {bad} --metrics {out} --curves {out}",
    "imdb.evaluation.compare":
        "--predictions {bad} --corpus {bad} --metrics {out} --results {out} --gains {out}"
        " --hardest {out}",
    "imdb.figures.embedding_neighbours": "--models {bad} --neighbours {out} --map {out}",
    "imdb.predict": "--model {bad} -- text",
}  # fmt: skip


@pytest.mark.parametrize("module", COMMANDS)
@pytest.mark.parametrize("kind", ["missing", "rubbish"])
def test_an_unreadable_input_is_named(stage: Run, tmp_path: Path, module: str, kind: str) -> None:
    bad, out = tmp_path / "bad", tmp_path / "out"
    if kind != "missing":
        bad.write_bytes(b"rubbish" * 100)
    done = stage(module, *COMMANDS[module].format(bad=bad, out=out).split())
    assert done.returncode == 1, done.stdout
    assert str(bad) in done.stderr
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.glob("*out*")), "nothing half-written"
