"""The networks of project 3. A network that is added here has a name in every stage.

docs/extending.md shows how to add one.
"""

from dataclasses import dataclass

from stages.imdb.models import classifiers


@dataclass(frozen=True)
class NetworkSpec:
    """What the stages need to know of a network.

    Attributes:
        network_class: Its class. The arguments `vocab_size`, `embedding_dim` and `num_classes` come
            from the data and from `imdb.embedding_dim`; `num_buckets` is given if its parameter
            `ngrams` is 2.
        label: What figures and tables call it.
        sizes: The parameters of its section that are arguments of its class too.
    """

    network_class: type[classifiers.Network]
    label: str
    sizes: tuple[str, ...] = ()


# By name, which is also the name of its section in `imdb` of params.yaml, and in `Imdb`.
NETWORKS: dict[str, NetworkSpec] = {
    "mean": NetworkSpec(classifiers.MeanEmbeddingClassifier, "mean"),
    "lstm": NetworkSpec(classifiers.LSTMClassifier, "LSTM", sizes=("hidden_size",)),
}

# The label of every model, in the order of figures and tables: the linear model comes first.
MODEL_LABELS = {"linear": "linear"} | {name: spec.label for name, spec in NETWORKS.items()}
