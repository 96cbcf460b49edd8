"""The ablations: every variant has valid parameters and is scored on held-out reviews."""

from pathlib import Path

import pandas as pd
import pytest

from benchmarks import ablation, harness
from stages.common.params import load_params
from stages.common.processes import cpu_count
from stages.imdb.corpus.corpus import group_train_val_split, load_corpus
from stages.imdb.corpus.params import Imdb
from tests.clone import ROOT, Clone

PARAMS = load_params(ROOT / "params.yaml", "imdb", Imdb)


@pytest.mark.parametrize("name", ablation.VARIANTS)
def test_a_variant_changes_only_known_parameters(name: str) -> None:
    params = PARAMS.model_dump()
    ablation.set_params(params, ablation.VARIANTS[name].changes)
    Imdb.model_validate(params)


def test_an_unknown_parameter_is_refused() -> None:
    with pytest.raises(KeyError, match="hidden"):
        ablation.set_params({"lstm": {"hidden_size": 1}}, {"lstm.hidden": 2})


def test_variants_are_trained_once_and_scored_on_held_out_reviews(
    clone: Clone,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    data = clone.folder / "data/imdb"
    monkeypatch.setattr(harness, "PARAMS", clone.folder / "params.yaml")
    monkeypatch.setattr(harness, "REVIEWS", data / "reviews.parquet")
    monkeypatch.setattr(harness, "CORPUS", data / "corpus")
    monkeypatch.setattr(harness, "limit_processors", cpu_count)
    monkeypatch.setattr(ablation, "FOLDER", tmp_path)
    names = ["linear", "pretrained-labels"]
    monkeypatch.setattr("sys.argv", ["ablation", *names])
    ablation.main()
    table = capsys.readouterr().out
    rows = [line.split(" | ") for line in table.splitlines() if " | `" in line]
    assert [row[1] for row in rows] == [f"`{name}`" for name in names]

    corpus = load_corpus(data / "corpus")
    _, held_out = group_train_val_split(corpus.metadata, ablation.HELD_OUT)
    [live] = tmp_path.glob("lstm-*.live")
    curves = sorted(live.glob("seed-*/plots/metrics/validation/accuracy.tsv"))
    last = [pd.read_csv(curve, sep="\t").iloc[-1, -1] for curve in curves]
    assert rows[1][2] == ", ".join(f"{accuracy:.1%}" for accuracy in last)
    correct = float(rows[1][3].rstrip("%")) / 100 * len(held_out)
    assert correct == pytest.approx(round(correct), abs=0.01)

    monkeypatch.setattr("subprocess.run", None)  # nothing is trained again
    assert [ablation.train(ablation.VARIANTS[name])[0].exists() for name in names] == [True] * 2
