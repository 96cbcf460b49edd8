"""Stage `predict`: classify the test reviews with the trained network of every seed."""

import argparse
from pathlib import Path

from stages.common.errors import run_main
from stages.imdb.corpus.corpus import load_corpus, text_noun
from stages.imdb.corpus.predictions import Predictions, save_predictions
from stages.imdb.models.inference import predict_proba_each
from stages.imdb.models.serialization import load_config, load_model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="folder of the trained networks")
    parser.add_argument("--corpus", type=Path, required=True, help="over the model's vocabulary")
    parser.add_argument("--predictions", type=Path, required=True, help="safetensors to write")
    args = parser.parse_args()

    corpus = load_corpus(args.corpus)
    test = [corpus[i] for i in corpus.split_indices("test")]
    config = load_config(args.model)
    networks = [load_model(args.model, seed)[0] for seed in config.seeds]
    desc = f"{config.model}: test {text_noun(config.data_name)}s"
    predictions = Predictions(
        model=config.model,
        data_name=config.data_name,
        classes=config.classes,
        num_parameters=sum(weight.numel() for weight in networks[0].parameters()),
        seeds=config.seeds,
        precision=config.trained_precision,
        probabilities=predict_proba_each(networks, test, desc),
    )
    save_predictions(predictions, args.predictions)


if __name__ == "__main__":
    run_main(main)
