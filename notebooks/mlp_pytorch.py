"""The network by hand in PyTorch: three versions next to each other, and what autograd records."""

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="full", app_title="The same network in PyTorch")

with app.setup:
    import difflib
    import inspect

    import autograd_walk
    import marimo as mo
    import numpy as np
    import show
    import steps
    import torch
    from torch.nn.functional import cross_entropy

    from stages.mlp_figures.losses import VERSION_NAMES
    from stages.mlp_numpy import model
    from stages.mlp_numpy.gradcheck import matching_digits
    from stages.mlp_numpy.history import Dataset, accuracy
    from stages.mlp_numpy.params import MLP
    from stages.mlp_numpy.train import train
    from stages.mlp_torch import by_hand, module, sequential
    from stages.mlp_torch.train import VERSIONS
    from stages.mlp_torch.train import train as train_torch
    from stages.points.generate import generate, split

    SEED = 7
    FILES = {"by_hand": by_hand, "sequential": sequential, "module": module}
    torch.set_num_threads(1)  # the order of summation must not depend on the machine


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    # The same network in PyTorch

    PyTorch computes the gradients itself. Three versions of the network each add one idea to the
    one before. All of them start from the weights of project 1.

    ## Three files

    Lines with a **+** are new compared with the version before. In the first file they are the
    lines that make `backward` of project 1 unnecessary. Documentation is left out here.
    """)
    return


@app.cell(hide_code=True)
def _():
    _columns = []
    _previous: list[str] = []
    for _name, _module in FILES.items():
        _lines = show.without_docstrings(inspect.getsource(_module))
        if _previous:
            _blocks = difflib.SequenceMatcher(None, _previous, _lines, autojunk=False).get_opcodes()
            _new = {i for tag, *_, a, b in _blocks if tag != "equal" for i in range(a, b)}
        else:
            _words = ("requires_grad_", ".backward()", "no_grad", "W.grad")
            _new = {i for i, line in enumerate(_lines) if any(word in line for word in _words)}
        _new -= {i for i, line in enumerate(_lines) if not line.strip()}
        _idea = (
            (inspect.getdoc(_module) or "")
            .partition("\n\n")[2]
            .partition(": ")[2]
            .replace("\n", " ")
        )
        _columns.append(
            f'<div><h3 class="step-heading">{_name}.py</h3>'
            f"{mo.md(_idea[:1].upper() + _idea[1:]).text}"
            f"{show.code_listing(_lines, _new, f'{_name}.py')}</div>"
        )
        _previous = _lines
    mo.Html(f'{show.CSS}<div class="columns">{"".join(_columns)}</div>')
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## Train all four

    Project 1 and the three versions get the same initial weights and the same mini-batches, in
    float64. Their losses differ by rounding only: the grey line is the distance between two
    neighboring numbers of float64. Try a high learning rate: a chaotic training makes the rounding
    grow.
    """)
    return


@app.cell(hide_code=True)
def _():
    dataset = mo.ui.dropdown(["moons", "circles", "spirals", "xor"], value="moons", label="shape")
    hidden = mo.ui.slider(1, 32, value=16, label="hidden units", show_value=True, debounce=True)
    activation = mo.ui.dropdown([*model.ACTIVATIONS], value="tanh", label="activation")
    rate = mo.ui.slider(
        steps=[0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0], value=0.05, label="learning rate",
        show_value=True, debounce=True,
    )  # fmt: skip
    epochs = mo.ui.slider(5, 100, 5, value=60, label="epochs", show_value=True, debounce=True)
    mo.hstack([dataset, hidden, activation, rate, epochs], wrap=True, justify="start", gap=1.5)
    return activation, dataset, epochs, hidden, rate


@app.function
def train_version(name: str, data: Dataset, mlp: MLP) -> tuple[list[float], float]:
    """Train a network from the weights of project 1; return its losses and its test accuracy."""
    results = [*(train(data, mlp, []) if name == "numpy" else train_torch(name, data, mlp))]
    log_A2 = results[-1].log_probabilities(data.X_test)
    return [result.loss for result in results], accuracy(log_A2, data.test_labels)


@app.cell(hide_code=True)
def _(activation, dataset, epochs, hidden, rate):
    mlp = MLP(
        hidden_size=hidden.value, activation=activation.value, epochs=epochs.value, batch_size=32,
        learning_rate=rate.value, momentum=0.9, seed=SEED,
    )  # fmt: skip
    train_points, test_points = split(*generate(dataset.value, 1000, 0.15, 2, SEED), 0.5, SEED)
    data = Dataset(*train_points, *test_points, 2)
    with np.errstate(all="ignore"):  # a high learning rate may overflow
        trained = {VERSION_NAMES[name]: train_version(name, data, mlp) for name in VERSION_NAMES}
    losses = {name: np.array(curve) for name, (curve, _) in trained.items()}
    _errors = {name: float(np.max(np.abs(curve - losses["NumPy"]) / np.abs(losses["NumPy"])))
               for name, curve in losses.items()}  # fmt: skip
    mo.hstack(
        [
            show.image(
                show.losses_figure(losses),
                f"Training losses of all four networks over {mlp.epochs} epochs, and their"
                f" differences from NumPy, at most {max(_errors.values()):.1g} of the loss",
            ),
            mo.md(
                "| network | last loss | digits as in NumPy | test accuracy |\n"
                "|---|---:|---:|---:|\n"
                + "\n".join(
                    f"| {name} | {curve[-1]:.6f} | {matching_digits(_errors[name])}"
                    f" | {correct:.1%} |"
                    for name, (curve, correct) in trained.items()
                )
            ),
        ],
        wrap=True,
        justify="start",
        align="center",
    )
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## What autograd records

    While the forward pass runs, PyTorch notes every operation. The loss points to the last one,
    `L.grad_fn`, and each operation to those before it. `L.backward()` walks from node to node and
    hands on a gradient: the same walk that `backward` of project 1 writes line by line. The lines
    on the right are **found by their numbers**: a line is listed if its result equals the gradient
    that the node hands on, in 12 digits. Change the weight or the version, and compare.
    """)
    return


@app.cell(hide_code=True)
def _():
    version = mo.ui.dropdown([*FILES], value="by_hand", label="version")
    phi = mo.ui.dropdown([*model.ACTIVATIONS], value="tanh", label="phi")
    weight = mo.ui.slider(-2, 2, 0.1, value=0.5, label="W1[0, 0]", show_value=True)
    mo.hstack([version, phi, weight], wrap=True, justify="start", gap=1.5)
    return phi, version, weight


@app.cell(hide_code=True)
def _(phi, version, weight):
    X = np.array([[1.0, 2.0], [-1.0, 1.0], [0.5, -1.0]])
    labels = np.array([0, 1, 1])
    weights = model.Weights(
        np.array([[weight.value, -0.5], [0.5, 1.0]]), np.array([0.1, -0.2]),
        np.array([[1.0, -1.0], [-1.0, 0.5]]), np.array([0.0, 0.5]),
    )  # fmt: skip
    lines, values = steps.one_step(X, model.one_hot(labels, 2), weights, phi.value, 0.5)
    # One epoch without a batch: the network with its initial weights.
    _, network, parameters = next(
        VERSIONS[version.value](
            torch.from_numpy(X), torch.from_numpy(labels), autograd_walk.tensors(weights),
            phi.value, [[]], 0.5, 0.0,
        )
    )  # fmt: skip
    L = cross_entropy(network(torch.from_numpy(X)), torch.from_numpy(labels))
    walk = autograd_walk.walk(
        L,
        autograd_walk.parameters_of(parameters),
        {step.equation.symbol: step.value for step in lines["backward"]},
    )
    mo.Html(
        show.CSS
        + f"<p>The loss is {L.item():.4f} nats, by hand {values['L']:.4f}.</p>"
        + "".join(show.visit(visit, lines["backward"]) for visit in walk)
    )
    return


if __name__ == "__main__":
    app.run()
