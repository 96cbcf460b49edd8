"""The Hugging Face contender of `benchmarks.tokens`; runs in an environment of its own.

Reads the reviews, learns a vocabulary from those to train on and those without a label, turns all
reviews into ids, and writes them as ids.npy, offsets.npy and words.txt, like our stages.
"""

import argparse
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("reviews", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--token", required=True, help="a regular expression of a word")
    parser.add_argument("--break", required=True, dest="line_break", help="that separates words")
    parser.add_argument("--size", type=int, required=True, help="of the vocabulary")
    parser.add_argument("--min-count", type=int, required=True)
    parser.add_argument("--special", nargs=2, required=True, help="padding and the unknown word")
    args = parser.parse_args()

    table = pq.read_table(args.reviews, columns=["split", "text"])
    texts, splits = table["text"].to_pylist(), table["split"].to_pylist()
    tokenizer = Tokenizer(models.WordLevel(unk_token=args.special[1]))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Replace(args.line_break, " "), normalizers.Lowercase()]
    )
    # To remove what lies between the words is to keep the words.
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(args.token), "removed", invert=True)
    trainer = trainers.WordLevelTrainer(
        vocab_size=args.size,
        min_frequency=args.min_count,
        special_tokens=args.special,
        show_progress=False,
    )
    learned = [text for text, split in zip(texts, splits, strict=True) if split != "test"]
    tokenizer.train_from_iterator(learned, trainer)
    ids = [np.array(e.ids, np.int32) for e in tokenizer.encode_batch_fast(texts)]
    args.folder.mkdir(parents=True)
    np.save(args.folder / "ids.npy", np.concatenate(ids), allow_pickle=False)
    offsets = np.concatenate([[0], np.cumsum([len(part) for part in ids])])
    np.save(args.folder / "offsets.npy", offsets, allow_pickle=False)
    words = [tokenizer.id_to_token(i) for i in range(tokenizer.get_vocab_size())]
    (args.folder / "words.txt").write_text("".join(word + "\n" for word in words), "utf-8")


if __name__ == "__main__":
    main()
