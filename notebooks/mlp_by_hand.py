"""A network by hand: train it, follow one step of backpropagation in numbers, and break it."""

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="A network by hand")

with app.setup:
    import tempfile
    from pathlib import Path

    import marimo as mo
    import numpy as np
    import show
    import steps

    from stages.common.errors import UserError
    from stages.mlp_figures.boundary import boundary_figure
    from stages.mlp_figures.draw_csv import load_and_split, standardize
    from stages.mlp_figures.points import class_names
    from stages.mlp_numpy import model
    from stages.mlp_numpy.history import Dataset, accuracy
    from stages.mlp_numpy.params import MLP
    from stages.mlp_numpy.train import log_probabilities, train
    from stages.points.generate import generate, split

    SEED = 7


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    # A network by hand

    A multi-layer perceptron in NumPy learns to tell classes of points apart. Everything here runs
    the code of `stages/mlp_numpy/model.py`: change a control, and the network trains again in a
    fraction of a second.

    ## The data
    """)
    return


@app.cell(hide_code=True)
def _():
    dataset = mo.ui.dropdown(
        ["moons", "circles", "blobs", "spirals", "xor"], value="moons", label="shape"
    )
    noise = mo.ui.slider(0, 0.5, 0.01, value=0.15, label="noise", show_value=True, debounce=True)
    classes = mo.ui.slider(
        2, 6, value=2, label="classes (blobs, spirals)", show_value=True, debounce=True
    )
    upload = mo.ui.file(filetypes=[".csv"], label="or your points: CSV with x1, x2, label")
    mo.vstack([mo.hstack([dataset, noise, classes], wrap=True, justify="start", gap=1.5), upload])
    return classes, dataset, noise, upload


@app.cell(hide_code=True)
def _(classes, dataset, noise, upload):
    try:
        if upload.value:
            with tempfile.TemporaryDirectory() as folder:
                csv = Path(folder, Path(upload.name()).name)
                csv.write_bytes(upload.contents())
                data, names = load_and_split(csv, test_size=0.5, seed=SEED)
                data, *_ = standardize(data)
        else:
            n_classes = classes.value if dataset.value in ("blobs", "spirals") else 2
            train_points, test_points = split(
                *generate(dataset.value, 1000, noise.value, n_classes, SEED), 0.5, SEED
            )
            data = Dataset(*train_points, *test_points, n_classes)
            names = class_names(n_classes)
    except UserError as error:
        mo.stop(True, mo.callout(mo.md(str(error).replace(f"{folder}/", "")), kind="danger"))
    mo.md(
        f"{len(data.X):,} training points and {len(data.X_test):,} test points of"
        f" {data.n_classes} classes."
        + (" The coordinates are standardized." if upload.value else "")
    )
    return data, names


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## The network and its training

    Try **one hidden unit** first: the boundary is a straight line. With two, it bends once. How
    many units does a spiral need? Then raise the learning rate until the loss jumps.
    """)
    return


@app.cell(hide_code=True)
def _():
    hidden = mo.ui.slider(1, 16, value=8, label="hidden units", show_value=True, debounce=True)
    activation = mo.ui.dropdown([*model.ACTIVATIONS], value="tanh", label="activation")
    rate = mo.ui.slider(
        steps=[0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0], value=0.05,
        label="learning rate", show_value=True, debounce=True,
    )  # fmt: skip
    momentum = mo.ui.slider(
        0, 0.95, 0.05, value=0.9, label="momentum", show_value=True, debounce=True
    )
    batch = mo.ui.slider(
        steps=[1, 4, 8, 16, 32, 64, 128, 256], value=32, label="batch size",
        show_value=True, debounce=True,
    )  # fmt: skip
    epochs = mo.ui.slider(
        10, 200, 10, value=60, label="epochs of training", show_value=True, debounce=True
    )
    mo.hstack(
        [hidden, activation, rate, momentum, batch, epochs], wrap=True, justify="start", gap=1.5
    )
    return activation, batch, epochs, hidden, momentum, rate


@app.cell(hide_code=True)
def _(activation, batch, data, epochs, hidden, momentum, rate):
    mlp = MLP(
        hidden_size=hidden.value, activation=activation.value, epochs=epochs.value,
        batch_size=min(batch.value, len(data.X)), learning_rate=rate.value,
        momentum=momentum.value, seed=SEED,
    )  # fmt: skip
    history: list[model.Weights] = []
    curves: dict[str, list[float]] = {
        name: [] for name in ("train/loss", "test/loss", "train/acc", "test/acc")
    }
    with np.errstate(all="ignore"):  # a high learning rate may overflow
        for result in train(data, mlp, history):
            log_test = result.log_probabilities(data.X_test)
            curves["train/loss"].append(result.loss)
            curves["test/loss"].append(
                model.loss(log_test, model.one_hot(data.test_labels, data.n_classes))
            )
            curves["train/acc"].append(accuracy(result.log_probabilities(data.X), data.labels))
            curves["test/acc"].append(accuracy(log_test, data.test_labels))
    return curves, history, mlp


@app.cell(hide_code=True)
def _(mlp):
    epoch = mo.ui.slider(0, mlp.epochs, value=mlp.epochs, label="epoch shown", show_value=True)
    epoch
    return (epoch,)


@app.cell(hide_code=True)
def _(curves, data, epoch, history, mlp, names):
    shown = history[epoch.value]
    _correct = accuracy(log_probabilities(shown, mlp.activation, data.X_test), data.test_labels)
    mo.vstack(
        [
            mo.md(f"After epoch {epoch.value}: **{_correct:.1%}** of the test points are right."),
            mo.hstack(
                [
                    show.image(
                        boundary_figure(
                            shown, mlp.activation, data.X_test, data.test_labels, names
                        ),
                        f"Test points and decision boundary after epoch {epoch.value};"
                        f" {_correct:.1%} of the points are on the right side",
                        480,
                    ),
                    show.image(
                        show.curves_figure(curves, epoch.value),
                        f"Loss and accuracy over {mlp.epochs} epochs; the last training loss is"
                        f" {curves['train/loss'][-1]:.3f} nats",
                        480,
                    ),
                ],
                wrap=True,
                justify="start",
                align="start",
            ),
        ]
    )
    return (shown,)


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ### What each hidden unit draws

    Each unit sees one straight line: its weighted sum is 0 there, and the arrow points to where it
    grows. The output layer adds these pictures with its weights. Move the slider of the epochs:
    the lines turn towards the places where they are needed.
    """)
    return


@app.cell(hide_code=True)
def _(data, epoch, mlp, shown):
    show.image(
        show.hidden_units_figure(shown, mlp.activation, data),
        f"The output of each of the {mlp.hidden_size} hidden units over the plane, after epoch"
        f" {epoch.value}",
    )
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## One step of backpropagation in numbers

    Three points, two hidden units. Every line of `forward`, `loss`, `backward` and `update` is
    shown as its equation, its code, its shape and its numbers. **Change one weight**: the numbers
    that depend on it are bold, with a • in front. A change of a weight in the last layer leaves
    $Z_1$ and $A_1$ alone. Which gradients change?
    """)
    return


@app.cell(hide_code=True)
def _():
    entry = mo.ui.dropdown(
        [
            f"{name}[{', '.join(map(str, index))}]"
            for name, shape in {"W1": (2, 2), "b1": (2,), "W2": (2, 2), "b2": (2,)}.items()
            for index in np.ndindex(shape)
        ],
        value="W1[0, 0]",
        label="weight",
    )
    change = mo.ui.slider(-2, 2, 0.1, value=0, label="add to it", show_value=True)
    step_activation = mo.ui.dropdown([*model.ACTIVATIONS], value="tanh", label="phi")
    step_rate = mo.ui.slider(0.1, 2, 0.1, value=0.5, label="step size", show_value=True)
    mo.hstack([entry, change, step_activation, step_rate], wrap=True, justify="start", gap=1.5)
    return change, entry, step_activation, step_rate


@app.cell(hide_code=True)
def _(change, entry, step_activation, step_rate):
    X = np.array([[1.0, 2.0], [-1.0, 1.0], [0.5, -1.0]])
    Y = model.one_hot(np.array([0, 1, 1]), 2)
    original = model.Weights(
        np.array([[0.5, -0.5], [0.5, 1.0]]), np.array([0.1, -0.2]),
        np.array([[1.0, -1.0], [-1.0, 0.5]]), np.array([0.0, 0.5]),
    )  # fmt: skip
    weights = model.Weights(*(W.copy() for W in original))
    _name, _, _index = entry.value.rstrip("]").partition("[")
    getattr(weights, _name)[tuple(map(int, _index.split(", ")))] += change.value
    before, _ = steps.one_step(X, Y, original, step_activation.value, step_rate.value)
    after, values = steps.one_step(X, Y, weights, step_activation.value, step_rate.value)
    return X, Y, after, before, original, values, weights


@app.cell(hide_code=True)
def _(X, Y, after, before, original, values, weights):
    _inputs = "".join(
        f"<div>{show.tex(name)} {show.numbers(array, name, reference, digits=2)}</div>"
        for name, array, reference in (
            ("X", X, X), ("Y", Y, Y),
            *((f"{name[0]}_{name[1]}", getattr(weights, name), getattr(original, name))
              for name in weights._fields),
        )
    )  # fmt: skip
    _sections = [f'<div class="step">{_inputs}</div>']
    for _function, _steps in after.items():
        _sections.append(f'<h3 class="step-heading">{_function}</h3>')
        for _step, _before in zip(_steps, before[_function], strict=True):
            _sections.append(show.step(_step, _before, _function, values))
    mo.Html(show.CSS + "".join(_sections))
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## Break it

    Each switch replaces a part of one line in the source of `backward` or `update`, and the network
    above trains again with it. Guess first: how accurate will it be, and how many digits of the
    gradient check are left?
    """)
    return


@app.cell(hide_code=True)
def _():
    switches = mo.ui.dictionary({name: mo.ui.switch(label=name) for name in steps.FAULTS})
    mo.hstack([*switches.elements.values()], wrap=True, justify="start", gap=1.5)
    return (switches,)


@app.cell(hide_code=True)
def _(curves, data, mlp, switches):
    variant = steps.break_code([name for name, on in switches.value.items() if on])
    judged = steps.judge(variant, data, mlp)
    mo.vstack(
        [
            mo.md("Nothing is broken." if not variant.changes else "The lines that are replaced:"),
            mo.md("```diff\n" + "\n".join(variant.changes) + "\n```") if variant.changes else "",
            mo.callout(
                mo.md(
                    f"NumPy stops: {judged.problem} The shapes fit only with as many hidden units"
                    f" as classes: set **hidden units** to {data.n_classes}."
                ),
                kind="danger",
            )
            if judged.problem
            else mo.hstack(
                [
                    mo.stat(
                        f"{judged.accuracy:.1%}", label="test accuracy", bordered=True,
                        caption=f"{curves['test/acc'][-1]:.1%} with the right code",
                    ),
                    mo.stat(f"{judged.loss:.3g}", label="training loss, nats", bordered=True,
                            caption=f"{curves['train/loss'][-1]:.3g} with the right code"),
                    mo.stat(judged.digits, label="digits of the gradient check", bordered=True,
                            caption="about 11 with the right code"),
                ],
                wrap=True, justify="start",
            ),
            mo.md(
                "A network with a wrong gradient may still learn, so a falling loss proves nothing."
                " The wrong sign in `update` is not found by the gradient check: it checks"
                " `backward` only."
            ),
        ]
    )  # fmt: skip
    return


if __name__ == "__main__":
    app.run()
