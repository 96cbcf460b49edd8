"""The networks of project 3. A network that is added here has a name in every stage.

docs/extending.md shows how to add one.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stages.imdb.models.classifiers import Network


@dataclass(frozen=True)
class NetworkSpec:
    """What the stages need to know of a network.

    Attributes:
        class_name: Name of its class in `stages.imdb.models.classifiers`. The arguments
            `vocab_size`, `embedding_dim` and `num_classes` come from the data and from
            `imdb.embedding_dim`; `num_buckets` is given if its parameter `ngrams` is 2.
        label: What figures and tables call it.
        sizes: The parameters of its section that are arguments of its class too.
    """

    class_name: str
    label: str
    sizes: tuple[str, ...] = ()

    @property
    def network_class(self) -> "type[Network]":
        """Its class."""
        # PyTorch is slow to import, and stages that only compare or draw need just the labels.
        from stages.imdb.models import classifiers

        network_class: type[Network] = getattr(classifiers, self.class_name)
        return network_class


# By name, which is also the name of its section in `imdb` of params.yaml, and in `Imdb`.
NETWORKS: dict[str, NetworkSpec] = {
    "mean": NetworkSpec("MeanEmbeddingClassifier", "mean"),
    "lstm": NetworkSpec("LSTMClassifier", "LSTM", sizes=("hidden_size",)),
}

# The label of every model, in the order of figures and tables: the linear model comes first.
MODEL_LABELS = {"linear": "linear"} | {name: spec.label for name, spec in NETWORKS.items()}
