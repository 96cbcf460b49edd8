"""The contender of `benchmarks.tokens`: Hugging Face's `tokenizers`, in its own environment.

It reads the reviews, builds a vocabulary from the training and unlabelled ones, and writes the ids
of all reviews as ids.npy, offsets.npy and vocab.txt, like our stages.
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
    parser.add_argument("--token-pattern", required=True, help="regular expression of a word")
    parser.add_argument("--line-break", required=True, help="string that separates words")
    parser.add_argument("--size", type=int, required=True, help="of the vocabulary")
    parser.add_argument("--min-count", type=int, required=True)
    parser.add_argument("--special-tokens", nargs=2, required=True, help="padding, unknown word")
    args = parser.parse_args()

    table = pq.read_table(args.reviews, columns=["split", "text"])
    texts, splits = table["text"].to_pylist(), table["split"].to_pylist()
    tokenizer = Tokenizer(models.WordLevel(unk_token=args.special_tokens[1]))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Replace(args.line_break, " "), normalizers.Lowercase()]
    )
    # Removing what is not a word (`invert`) keeps the words.
    tokenizer.pre_tokenizer = pre_tokenizers.Split(
        Regex(args.token_pattern), "removed", invert=True
    )
    trainer = trainers.WordLevelTrainer(
        vocab_size=args.size,
        min_frequency=args.min_count,
        special_tokens=args.special_tokens,
        show_progress=False,
    )
    train = [text for text, split in zip(texts, splits, strict=True) if split != "test"]
    tokenizer.train_from_iterator(train, trainer)
    ids = [np.array(e.ids, np.int32) for e in tokenizer.encode_batch_fast(texts)]
    args.folder.mkdir(parents=True, exist_ok=True)
    np.save(args.folder / "ids.npy", np.concatenate(ids), allow_pickle=False)
    offsets = np.concatenate([[0], np.cumsum([len(review) for review in ids])])
    np.save(args.folder / "offsets.npy", offsets, allow_pickle=False)
    vocab = [tokenizer.id_to_token(i) for i in range(tokenizer.get_vocab_size())]
    (args.folder / "vocab.txt").write_text("".join(word + "\n" for word in vocab), "utf-8")


if __name__ == "__main__":
    main()
