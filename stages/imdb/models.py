"""The two networks of project 3, each as long as its description.

Both take the same batches,

    ids      int32 [batch × review_len], the words of each review, padded at the end with PAD
    lengths  int64 [batch], how many of them are words, at least 1

and return logits. Two classes, bad and good, need one number a review, float32 [batch]: above 0 it
is rated good. Of more classes each has its own, [batch × classes]. Padding never changes an answer
beyond rounding.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  its name in every PyTorch text

from stages.imdb.device import autocast

PAD, UNKNOWN = 0, 1


def start(embedding: nn.Embedding) -> None:
    """Draw small initial embeddings: PyTorch's own, ten times as long, take longer to forget."""
    nn.init.normal_(embedding.weight, std=0.1)
    with torch.no_grad():
        embedding.weight[PAD] = 0


def outputs(classes: int) -> int:
    """How many logits tell so many classes apart."""
    return 1 if classes == 2 else classes


def probabilities(logits: Tensor) -> Tensor:
    """What the logits of a network say, by class: [batch × classes], each row adding up to 1."""
    if logits.ndim == 1:
        good = torch.sigmoid(logits)
        return torch.stack([1 - good, good], dim=1)
    return torch.softmax(logits, dim=1)


class MeanClassifier(nn.Module):
    """Embedding → average over the review's words → fully connected → logit.

    With `buckets` every pair of neighbouring words has an embedding too, shared with the other
    pairs of the same hash (Joulin et al. 2017, "Bag of Tricks for Efficient Text Classification").
    """

    def __init__(
        self, vocabulary: int, embedding_dim: int, buckets: int = 0, classes: int = 2
    ) -> None:
        super().__init__()
        self.vocabulary, self.buckets, self.classes = vocabulary, buckets, classes
        self.embedding = nn.Embedding(
            vocabulary + buckets, embedding_dim, padding_idx=PAD, sparse=True
        )
        start(self.embedding)
        self.output = nn.Linear(embedding_dim, outputs(classes))

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        # The sum of a review's embeddings is its one-hot matrix times the embedding matrix, summed
        # over the rows; here without ever making the one-hot matrix. A word is embedded once, be it
        # in the batch a thousand times, so that its gradient is one row. PAD's row is zero.
        words, places = distinct(self.with_pairs(ids), self.embedding.num_embeddings)
        total = F.embedding_bag(places, self.embedding(words), mode="sum")
        count = 2 * lengths - 1 if self.buckets else lengths
        mean = total / count[:, None]  # batch × embedding_dim
        return self.output(mean).squeeze(-1)

    def with_pairs(self, ids: Tensor) -> Tensor:
        """Append the hashed pairs of neighbours, PAD where one of the two is PAD.

        Args:
            ids: int32 [batch × review_len].

        Returns:
            int32 [batch × (2 review_len − 1)]; without buckets the ids as they are.
        """
        if not self.buckets:
            return ids
        buckets = pairs_of(ids, self.buckets)
        pairs = torch.where(buckets > 0, self.vocabulary - 1 + buckets, PAD)
        return torch.cat([ids, pairs.to(ids.dtype)], dim=1)


def distinct(ids: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Each number in `ids` once, and where each of them stands there.

    That is `torch.unique`, which sorts. To mark the words of a batch in a list of all there are
    takes a fraction of the time, but not where there are very many, as there are of pairs.

    Args:
        ids: int32 or int64, of any shape, from 0 to `count` − 1.
        count: how many there could be.

    Returns:
        words, integers, ascending, and places, int64 of the shape of `ids`: `words[places]` is
        `ids`.
    """
    if count > 16 * ids.numel():
        words, places = torch.unique(ids, return_inverse=True)
        return words, places
    seen = torch.zeros(count, dtype=torch.bool, device=ids.device)
    seen[ids] = True
    words = seen.nonzero().squeeze(1)
    place = torch.empty(count, dtype=torch.int64, device=ids.device)
    place[words] = torch.arange(len(words), device=ids.device)
    return words, place[ids]


def pairs_of(ids: Tensor, buckets: int) -> Tensor:
    """The bucket of each word and the next, which it shares with the other pairs of its hash.

    Args:
        ids: int [batch × review_len].
        buckets: how many there are.

    Returns:
        int64 [batch × (review_len − 1)], from 1 on; 0 where one of the two is PAD.
    """
    first, second = ids[:, :-1].long(), ids[:, 1:].long()
    bucket = 1 + scatter(first, second) % buckets
    return bucket.masked_fill((first == PAD) | (second == PAD), 0)


def scatter(first: Tensor, second: Tensor) -> Tensor:
    """A hash of each pair of words, int64, below 2³².

    Frequent words have small numbers. A hash that kept small numbers together would leave most
    buckets empty, so the bits are mixed once more, by the first round of C. Wellons's lowbias32
    ("Prospecting for Hash Functions", 2018).
    """
    key = (first * 1_000_003 + second) & 0xFFFFFFFF
    key = (key ^ (key >> 16)) * 0x7FEB352D & 0xFFFFFFFF
    return key ^ (key >> 15)


class PairEmbedding(nn.Embedding):
    """An embedding of every pair of neighbours, in buckets that the pairs of one hash share.

    Added to the embedding of the second of the two words it says what that word means after the
    first. It begins as zero, and the rows of the pairs that were never seen stay so.
    """

    def __init__(self, buckets: int, embedding_dim: int) -> None:
        super().__init__(1 + buckets, embedding_dim, padding_idx=0, sparse=True)

    def reset_parameters(self) -> None:
        nn.init.zeros_(self.weight)

    def forward(self, ids: Tensor) -> Tensor:
        """From ids [batch × review_len]: [batch × review_len × embedding_dim].

        At the first word of a row, and beside PAD, there is no pair: zero.
        """
        pairs = pairs_of(ids, self.num_embeddings - 1)
        return super().forward(F.pad(pairs, (1, 0)))


class LSTMClassifier(nn.Module):
    """The same embedding → LSTM, many-to-one → fully connected → logit.

    Of the LSTM's states over the review (Hochreiter & Schmidhuber 1997) the output layer sees the
    last one, their mean and their maximum. With `buckets` the embedding of a word that follows
    another is the word's own plus that of the pair.
    """

    def __init__(
        self,
        vocabulary: int,
        embedding_dim: int,
        hidden: int,
        dropout: float = 0.0,
        buckets: int = 0,
        classes: int = 2,
    ) -> None:
        super().__init__()
        self.vocabulary, self.classes = vocabulary, classes
        self.embedding = nn.Embedding(vocabulary, embedding_dim, padding_idx=PAD, sparse=True)
        start(self.embedding)
        self.pairs = PairEmbedding(buckets, embedding_dim) if buckets else None
        self.lstm = nn.LSTM(embedding_dim, hidden, batch_first=True)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(3 * hidden, outputs(classes))

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        return self.rate(self.embed(ids), lengths)

    def embed(self, ids: Tensor) -> Tensor:
        """The embeddings [batch × review_len × embedding_dim] that the LSTM reads."""
        words: Tensor = self.embedding(ids)
        return words if self.pairs is None else words + self.pairs(ids)

    def rate(self, embeddings: Tensor, lengths: Tensor) -> Tensor:
        """The logits of reviews that are embedded already [batch × review_len × dim]."""
        with autocast(embeddings.device):
            states, _ = self.lstm(embeddings)  # batch × review_len × hidden
        return self.output(self.dropout(pool(states.float(), lengths))).squeeze(-1)


Network = MeanClassifier | LSTMClassifier


def pool(states: Tensor, lengths: Tensor) -> Tensor:
    """The last state of each review, the mean and the maximum of its states.

    A forward LSTM has not seen the padding when it reaches a review's last word, so that leaving
    out what comes later is all there is to do.

    Args:
        states: [batch × review_len × hidden].
        lengths: int64 [batch].

    Returns:
        [batch × 3 hidden].
    """
    places = torch.arange(states.shape[1], device=states.device)
    padding = (places >= lengths[:, None]).unsqueeze(-1)  # batch × review_len × 1
    last = states[torch.arange(len(states), device=states.device), lengths - 1]
    mean = states.masked_fill(padding, 0).sum(dim=1) / lengths[:, None]
    maximum = states.masked_fill(padding, -torch.inf).amax(dim=1)
    return torch.cat([last, mean, maximum], dim=1)
