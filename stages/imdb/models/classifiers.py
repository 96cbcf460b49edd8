"""The networks of project 3.

All take the same batch:

    ids      int32 [batch × review_len], word ids, padded at the end with PAD
    lengths  int64 [batch], number of words of each review, at least 1

and return logits. With two classes there is one logit per review, float32 [batch]: above 0 the
review is positive. With more classes there is one logit per class, float32 [batch × num_classes].
Padding does not change the logits, except for rounding.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  its name in every PyTorch text

from stages.imdb.corpus.corpus import PAD
from stages.imdb.models.device import CPU, autocast, get_matmul_dtype


class MeanEmbeddingClassifier(nn.Module):
    """Embedding → mean over the words → fully connected → logit.

    With `num_buckets`, each bigram has an embedding too (Joulin et al. 2017, "Bag of Tricks for
    Efficient Text Classification"). The mean is over the words and the bigrams.
    """

    def __init__(
        self, vocab_size: int, embedding_dim: int, num_buckets: int = 0, num_classes: int = 2
    ) -> None:
        super().__init__()
        self.vocab_size, self.num_classes = vocab_size, num_classes
        self.embedding = nn.Embedding(vocab_size, embedding_dim, padding_idx=PAD, sparse=True)
        init_embedding_(self.embedding)
        self.bigrams = HashedBigramEmbedding(num_buckets, embedding_dim) if num_buckets else None
        self.output = nn.Linear(embedding_dim, num_logits(num_classes))

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """Return the logits; see the module's description."""
        # The one-hot matrix of a review times the embedding matrix, summed over the words, is the
        # sum of the words' embeddings. The embedding of PAD is zero.
        total, count = sum_embeddings(self.embedding, ids), lengths
        if self.bigrams is not None:
            total = total + sum_embeddings(self.bigrams, self.bigrams.buckets(ids))
            count = 2 * lengths - 1
        mean = total / count[:, None]  # batch × embedding_dim
        return self.output(mean).squeeze(-1)


class SequenceClassifier(nn.Module):
    """Base class of the networks that read the words in order: embedding → `classify` → logit.

    With `num_buckets`, the embedding of a bigram is added to the embedding of its second word.

    A subclass has the layers after the embedding and defines `classify`. It is trained with
    gradient clipping, and its predictions are explained by integrated gradients.

    Attributes:
        dropout: Its probability is the parameter `dropout` of the network's section.
        output: The last layer. A language model has no weights for it.
        matmul_dtype: The data type of the matrix products, for `autocast`.
    """

    dropout: nn.Dropout
    output: nn.Linear

    def __init__(
        self, vocab_size: int, embedding_dim: int, num_buckets: int = 0, num_classes: int = 2
    ) -> None:
        super().__init__()
        self.vocab_size, self.num_classes = vocab_size, num_classes
        self.embedding = nn.Embedding(vocab_size, embedding_dim, padding_idx=PAD, sparse=True)
        init_embedding_(self.embedding)
        self.bigrams = HashedBigramEmbedding(num_buckets, embedding_dim) if num_buckets else None
        self.matmul_dtype = get_matmul_dtype("auto", CPU)

    def forward(self, ids: Tensor, lengths: Tensor, perturbation: Tensor | None = None) -> Tensor:
        """Return the logits.

        Args:
            ids, lengths: See the module's description.
            perturbation: float32 [batch × review_len × embedding_dim], added to the embeddings.
        """
        embeddings = self.embed(ids)
        if perturbation is not None:
            embeddings = embeddings + perturbation
        return self.classify(embeddings, lengths)

    def embed(self, ids: Tensor) -> Tensor:
        """Return the embeddings, float32 [batch × review_len × embedding_dim]."""
        words: Tensor = self.embedding(ids)
        return words if self.bigrams is None else words + self.bigrams(ids)

    def classify(self, embeddings: Tensor, lengths: Tensor) -> Tensor:
        """Return the logits for embeddings [batch × review_len × embedding_dim]."""
        raise NotImplementedError


class LSTMClassifier(SequenceClassifier):
    """Embedding → LSTM → last, mean and maximum of its states → fully connected → logit.

    The LSTM is that of Hochreiter & Schmidhuber (1997).
    """

    def __init__(
        self,
        vocab_size: int,
        embedding_dim: int,
        hidden_size: int,
        dropout: float = 0.0,
        num_buckets: int = 0,
        num_classes: int = 2,
    ) -> None:
        super().__init__(vocab_size, embedding_dim, num_buckets, num_classes)
        self.lstm = nn.LSTM(embedding_dim, hidden_size, batch_first=True)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(3 * hidden_size, num_logits(num_classes))

    def classify(self, embeddings: Tensor, lengths: Tensor) -> Tensor:
        """Return the logits for embeddings [batch × review_len × embedding_dim]."""
        with autocast(embeddings.device, self.matmul_dtype):
            states, _ = self.lstm(embeddings)  # batch × review_len × hidden_size
        return self.output(self.dropout(pool_states(states.float(), lengths))).squeeze(-1)


class BidirectionalClassifier(SequenceClassifier):
    """Two networks of the same class, each trained by itself; their logits are averaged.

    One reads a review from its first word to its last, the other from its last to its first
    (Howard & Ruder 2018, "Universal Language Model Fine-tuning for Text Classification", 3.4).
    """

    def __init__(self, forwards: SequenceClassifier, backwards: SequenceClassifier) -> None:
        nn.Module.__init__(self)
        self.vocab_size, self.num_classes = forwards.vocab_size, forwards.num_classes
        self.forwards, self.backwards = forwards, backwards

    def embed(self, ids: Tensor) -> Tensor:
        """Return the embeddings of both networks, [batch × review_len × 2 embedding_dim]."""
        lengths = (ids != PAD).sum(dim=1)
        backwards = flip_reviews(self.backwards.embed(flip_reviews(ids, lengths)), lengths)
        return torch.cat([self.forwards.embed(ids), backwards], dim=2)

    def classify(self, embeddings: Tensor, lengths: Tensor) -> Tensor:
        """Return the mean of both networks' logits for `embed`'s embeddings."""
        forwards, backwards = embeddings.chunk(2, dim=2)
        backward_logits = self.backwards.classify(flip_reviews(backwards, lengths), lengths)
        return (self.forwards.classify(forwards, lengths) + backward_logits) / 2


Network = MeanEmbeddingClassifier | SequenceClassifier


def word_embeddings(network: Network) -> Tensor:
    """Return the embeddings of the words, float32 [vocab_size × size].

    Those of a bidirectional network are the embeddings of both its networks, side by side.
    """
    if isinstance(network, BidirectionalClassifier):
        both = (network.forwards, network.backwards)
        return torch.cat([word_embeddings(one) for one in both], dim=1)
    return network.embedding.weight.detach()


class HashedBigramEmbedding(nn.Embedding):
    """An embedding for every bigram; bigrams with the same hash share one.

    It starts at zero, and the rows of bigrams that never occur stay zero.
    """

    def __init__(self, num_buckets: int, embedding_dim: int) -> None:
        super().__init__(1 + num_buckets, embedding_dim, padding_idx=0, sparse=True)

    def reset_parameters(self) -> None:
        nn.init.zeros_(self.weight)

    def forward(self, ids: Tensor) -> Tensor:
        """Return the embedding of the bigram that ends at each word.

        Args:
            ids: int [batch × review_len].

        Returns:
            float32 [batch × review_len × embedding_dim]; zero at the first word and next to PAD.
        """
        return super().forward(self.buckets(ids))

    def buckets(self, ids: Tensor) -> Tensor:
        """Return the row of the bigram that ends at each word; 0 at the first word.

        Args:
            ids: int [batch × review_len].

        Returns:
            int64 [batch × review_len].
        """
        return F.pad(bigram_buckets(ids, self.num_embeddings - 1), (1, 0))


def sum_embeddings(embedding: nn.Embedding, ids: Tensor) -> Tensor:
    """Return the sum of the embeddings of each row of ids.

    Each distinct id is looked up once, so that its gradient is one row.

    Args:
        embedding: With weights [ids × embedding_dim].
        ids: int [batch × review_len].

    Returns:
        float32 [batch × embedding_dim].
    """
    distinct, inverse = torch.unique(ids, return_inverse=True)
    rows = F.embedding(distinct, embedding.weight, embedding.padding_idx, sparse=embedding.sparse)
    return F.embedding_bag(inverse, rows, mode="sum")


def init_embedding_(embedding: nn.Embedding) -> None:
    """Initialize an embedding in place with standard deviation 0.1.

    With PyTorch's default, 1, the training is much slower.
    """
    nn.init.normal_(embedding.weight, std=0.1)
    with torch.no_grad():
        embedding.weight[PAD] = 0


def num_logits(num_classes: int) -> int:
    """Return the number of logits for a number of classes."""
    return 1 if num_classes == 2 else num_classes


def logits_to_probs(logits: Tensor) -> Tensor:
    """Return the probability of each class, [batch × num_classes], from a network's logits."""
    if logits.ndim == 1:
        positive = torch.sigmoid(logits)
        return torch.stack([1 - positive, positive], dim=1)
    return torch.softmax(logits, dim=1)


def pool_states(states: Tensor, lengths: Tensor) -> Tensor:
    """Concatenate the last state, the mean and the maximum of the states of each review.

    A forward recurrent layer has not read the padding when it reaches the last word, so it is
    enough to ignore the states after it.

    Args:
        states: float32 [batch × review_len × hidden_size].
        lengths: int64 [batch].

    Returns:
        float32 [batch × 3 hidden_size].
    """
    positions = torch.arange(states.shape[1], device=states.device)
    padding = (positions >= lengths[:, None]).unsqueeze(-1)  # batch × review_len × 1
    last = states[torch.arange(len(states), device=states.device), lengths - 1]
    mean = states.masked_fill(padding, 0).sum(dim=1) / lengths[:, None]
    maximum = states.masked_fill(padding, -torch.inf).amax(dim=1)
    return torch.cat([last, mean, maximum], dim=1)


def flip_reviews(batch: Tensor, lengths: Tensor) -> Tensor:
    """Reverse the order of each review's words; the padding stays at the end.

    Args:
        batch: [batch × review_len] or [batch × review_len × features].
        lengths: int64 [batch].
    """
    positions = torch.arange(batch.shape[1], device=batch.device).expand(batch.shape[:2])
    order = torch.where(positions < lengths[:, None], lengths[:, None] - 1 - positions, positions)
    return batch[torch.arange(len(batch), device=batch.device)[:, None], order]


def bigram_buckets(ids: Tensor, num_buckets: int) -> Tensor:
    """Return the hash bucket of each bigram.

    Args:
        ids: int [batch × review_len].
        num_buckets: Number of buckets.

    Returns:
        int64 [batch × (review_len − 1)], from 1 to `num_buckets`; 0 where a word is PAD.
    """
    first, second = ids[:, :-1].long(), ids[:, 1:].long()
    bucket = 1 + hash_bigram(first, second) % num_buckets
    return bucket.masked_fill((first == PAD) | (second == PAD), 0)


def hash_bigram(first: Tensor, second: Tensor) -> Tensor:
    """Hash pairs of word ids to int64 below 2³².

    Frequent words have small ids. A hash that maps small numbers to small numbers would leave most
    buckets empty, so the bits are mixed by the first round of C. Wellons's lowbias32 ("Prospecting
    for Hash Functions", 2018).
    """
    key = (first * 1_000_003 + second) & 0xFFFFFFFF
    key = (key ^ (key >> 16)) * 0x7FEB352D & 0xFFFFFFFF
    return key ^ (key >> 15)
