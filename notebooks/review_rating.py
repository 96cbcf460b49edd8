"""Rate a review with every trained model, word by word."""

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="Rating a review")

with app.setup:
    import html

    import marimo as mo
    import numpy as np
    import pandas as pd
    import reviews
    import show

    from stages.common.errors import UserError
    from stages.imdb.corpus.corpus import text_noun
    from stages.imdb.corpus.tokenizer import tokenize
    from stages.imdb.figures.words import draw_word_map
    from stages.imdb.models.registry import MODEL_LABELS
    from stages.imdb.predict import Predictor

    PIPELINE, SMALL = reviews.Run(reviews.ROOT), reviews.Run(reviews.SMALL_RUN)
    EXAMPLE = "I did not like it at first, but in the end I loved it."
    OWN, RANDOM, HARDEST = "my own text", "a random test text", "one of the hardest test texts"


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    # Rating a review

    Project 3 trains a linear model on words and pairs of words, the mean of word embeddings, and
    an LSTM, which reads the words in order. Here they rate your text, and you see which words
    they go by.
    """)
    return


@app.cell(hide_code=True)
def _():
    train_small = mo.ui.run_button(
        label="Train the small networks again" if SMALL.is_trained else "Train small networks now"
    )
    _text = (
        "The networks of `make repro` are trained. To compare them with small ones, which know"
        f" {reviews.SMALL_REVIEWS:,} reviews only:"
        if PIPELINE.is_trained
        else "**No network of the pipeline is trained yet.** `make repro` trains them in a"
        " terminal, in about 17 minutes. Or train small ones here, from"
        f" {reviews.SMALL_REVIEWS:,} reviews of an installed package, in about a minute; they"
        " are worse. They go to `data/small-run` and replace nothing:"
    )
    mo.vstack([mo.md(_text), train_small])
    return (train_small,)


@app.cell(hide_code=True)
def _(train_small):
    # Defines `trained`, on which the choice of the networks depends: it is made again afterwards.
    trained = None
    _output = None
    if train_small.value:
        with mo.status.progress_bar(
            total=len(reviews.pipeline_commands()), title="Small run", remove_on_exit=True
        ) as _bar:

            def _report(description, number, total):
                _bar.update(
                    increment=min(number, 1), subtitle=f"{number + 1} of {total}: {description}"
                )

            try:
                reviews.run_small(_report)
                _output = mo.callout("The small networks are trained.", kind="success")
            except UserError as _error:
                _output = mo.callout(f"The small run failed. {_error}", kind="danger")
    _output
    return (trained,)


@app.cell(hide_code=True)
def _(trained):
    _ = trained
    _runs = {"the pipeline": PIPELINE, "the small run": reviews.Run(reviews.SMALL_RUN)}
    _runs = {name: run for name, run in _runs.items() if run.is_trained}
    mo.stop(
        not _runs, mo.md("The rest of this page appears as soon as there are trained networks.")
    )
    choose_run = mo.ui.dropdown(_runs, value=next(iter(_runs)), label="networks of")
    choose_run
    return (choose_run,)


@app.cell(hide_code=True)
def _(choose_run):
    run = choose_run.value
    try:
        predictors = [Predictor(folder) for folder in run.model_folders]
    except UserError as _error:
        mo.stop(True, mo.callout(str(_error), kind="danger"))
    classes = predictors[0].classes
    data_name = reviews.data_name(run.model_folders[0])
    noun = text_noun(data_name)
    try:
        test_reviews, hardest, missing = run.test_reviews, run.hardest_reviews, ""
    except (UserError, OSError) as _error:
        test_reviews, hardest, missing = None, None, str(_error)
    _note = f" Test {noun}s cannot be shown: {missing}" if missing else ""
    mo.md(f"Data: {data_name}. Classes: {', '.join(classes)}.{_note}")
    return classes, data_name, hardest, noun, predictors, run, test_reviews


@app.cell(hide_code=True)
def _(hardest, noun, predictors, test_reviews):
    _sources = [OWN]
    if test_reviews is not None:
        _sources += [RANDOM, HARDEST] if len(hardest) else [RANDOM]
    source = mo.ui.radio(_sources, value=OWN, label=f"**Which {noun}?**")
    own_text = mo.ui.text_area(
        value=EXAMPLE, label="text", full_width=True, rows=4, max_length=20_000, debounce=300
    )
    _filters: dict[str, tuple[str, bool] | None] = {"any": None}
    for _predictor in predictors:
        _label = MODEL_LABELS[_predictor.name]
        _filters[f"{_label} is wrong"] = (_predictor.name, False)
        _filters[f"only {_label} is right"] = (_predictor.name, True)
    which = mo.ui.dropdown(_filters, value="any", label="of those where")
    another = mo.ui.button(value=0, on_click=lambda count: count + 1, label=f"another {noun}")
    rank = mo.ui.number(
        1, max(1, 0 if hardest is None else len(hardest)), value=1, label="rank (1: the hardest)"
    )
    source
    return another, own_text, rank, source, which


@app.cell(hide_code=True)
def _(another, own_text, rank, source, which):
    {
        OWN: own_text,
        RANDOM: mo.hstack([which, another], wrap=True, justify="start"),
        HARDEST: rank,
    }[source.value]
    return


@app.cell(hide_code=True)
def _(
    another,
    classes,
    hardest,
    noun,
    own_text,
    predictors,
    rank,
    run,
    source,
    test_reviews,
    which,
):
    label = None
    if source.value == OWN:
        text, _about = own_text.value, ""
    else:
        if source.value == HARDEST:
            _row = hardest.iloc[int(rank.value) - 1]
            _about = f"Rank {rank.value}: both networks are wrong, and confident. "
        else:
            _rows = test_reviews
            if which.value is not None:
                _name, _right = which.value
                _others = [p.name for p in predictors if p.name != _name]
                _match = _rows[f"{_name} right"] == _right
                if _right:
                    _match &= ~_rows[[f"{other} right" for other in _others]].any(axis=1)
                _rows = _rows[_match]
            mo.stop(not len(_rows), mo.md(f"There is no such {noun}."))
            _row = _rows.iloc[np.random.default_rng(another.value).integers(len(_rows))]
            _about = f"One of {len(_rows):,} such {noun}s. "
        label, text = _row["label"], run.read_text(int(_row.name))
        _about += f"{_row['id']}; its class is **{label}**."
    tokens = tokenize(text)
    mo.stop(not tokens, mo.md("The text has no words: it cannot be rated."))
    mo.vstack(
        [
            mo.md(
                "## What the models say\n\nEach word shows what it adds to the *logit*, the number"
                " that the model turns into a probability. For the linear model and the mean these"
                " numbers are exact; for the LSTM they are integrated gradients, where a word's"
                f" effect depends on the words around it. {_about}"
            ),
            mo.Html(reviews.rating_cards(predictors, tokens, label)),
        ]
    )
    return text, tokens


@app.cell(hide_code=True)
def _(classes):
    curve_class = mo.ui.dropdown(
        {name: i for i, name in enumerate(classes)}, value=classes[-1], label="class"
    )
    mo.vstack(
        [
            mo.md("""
            ## The rating after each word

            Each point is the rating of the text up to this word. The mean does not depend on the
            order of the words, and each word counts less the more there are. The LSTM can change
            its mind. Does *not* turn what follows, or is it a bad sign of its own? Compare *this
            is a good film* with *this is not a good film*, and *good, not bad* with *bad, not
            good*, which have the same words.
            """),
            *([curve_class] if len(classes) > 2 else []),
        ]
    )
    return (curve_class,)


@app.cell(hide_code=True)
def _(classes, curve_class, predictors, tokens):
    _curves = {each.name: reviews.rate_each_word(each, tokens) for each in predictors}
    _index = curve_class.value
    _turns = reviews.describe_turns({name: c[:, _index] for name, c in _curves.items()}, tokens)
    _picture = show.image(
        reviews.curve_figure(_curves, tokens, _index, classes),
        f"Probability of {classes[_index]} after each word",
        width=760,
    )
    _cut = len(tokens) > reviews.MAX_CURVE_WORDS
    mo.Html(
        f'{reviews.CSS}<div class="scrolled" tabindex="0">{_picture.text}</div>'
        f"<p>Largest changes{f' in the first {reviews.MAX_CURVE_WORDS} words' if _cut else ''}:</p>"
        f"<ul>{''.join(f'<li>{html.escape(turn)}</li>' for turn in _turns)}</ul>"
    )
    return


@app.cell(hide_code=True)
def _(tokens):
    dropped = mo.ui.multiselect(
        {f"{i + 1}: {token}": i for i, token in enumerate(tokens)}, label="words to change"
    )
    replacement = mo.ui.text(label="put in their place (nothing: leave them out)", debounce=300)
    mo.vstack(
        [
            mo.md("""
            ## Change a word

            Leave words out, or replace them, and compare. What a word adds above and what happens
            without it are not the same: without *not*, the words around it mean something else.
            """),
            mo.hstack([dropped, replacement], wrap=True, justify="start"),
        ]
    )
    return dropped, replacement


@app.cell(hide_code=True)
def _(classes, curve_class, dropped, predictors, replacement, tokens):
    _changed = reviews.change_words(tokens, dropped.value, tokenize(replacement.value))
    mo.stop(not dropped.value, mo.md("Choose a word."))
    mo.stop(not _changed, mo.md("No word is left."))
    _index = curve_class.value
    _before, _after = reviews.rate(predictors, tokens), reviews.rate(predictors, _changed)
    _rows = [
        {
            "model": MODEL_LABELS[name],
            f"{classes[_index]} before": f"{_before[name][_index]:.1%}",
            "after": f"{_after[name][_index]:.1%}",
            "change (points)": reviews.signed(100 * (_after[name][_index] - _before[name][_index])),
            "rating after": classes[int(_after[name].argmax())],
        }
        for name in _before
    ]
    mo.vstack(
        [
            mo.Html(reviews.table(pd.DataFrame(_rows), "ratings before and after the change")),
            mo.plain_text(" ".join(_changed[:100]) + (" …" if len(_changed) > 100 else "")),
        ]
    )
    return


@app.cell(hide_code=True)
def _(run):
    _words = [*dict.fromkeys(run.map_of_words["word"])] if run.has_map else []
    word = mo.ui.text(value="actor", label="word", debounce=300, placeholder=", ".join(_words[:3]))
    mo.vstack(
        [
            mo.md("""
            ## Neighbours of a word

            Each network has its own embedding. The mean only separates the classes, so its
            neighbours rate alike. The LSTM was first trained to predict the next word, so its
            neighbours often have the same use, too. Try *war*, *worst* and *acting*.
            """),
            word,
        ]
    )
    return (word,)


@app.cell(hide_code=True)
def _(predictors, word):
    _tokens = tokenize(word.value)
    mo.stop(len(_tokens) != 1, mo.md("Type one word."))
    _tables = []
    try:
        for _predictor in reviews.select_networks(predictors):
            _found = reviews.neighbours(_predictor, _tokens[0])
            _found["cosine"] = _found["cosine"].map("{:.2f}".format)
            _tables.append(
                mo.vstack(
                    [
                        mo.md(f"**{MODEL_LABELS[_predictor.name]}**"),
                        mo.Html(
                            reviews.table(_found, f"neighbours, {MODEL_LABELS[_predictor.name]}")
                        ),
                    ]
                )
            )
    except UserError as _error:
        mo.stop(True, mo.callout(str(_error), kind="warn"))
    mo.hstack(_tables, wrap=True, justify="start", gap=3)
    return


@app.cell(hide_code=True)
def _(classes, data_name, run):
    mo.stop(not run.has_map, mo.md("The map of words is missing: run `dvc repro neighbours`."))
    mo.vstack(
        [
            mo.md("""
            ## The map of words

            The words that the first network rates most clearly, on the two principal components of
            each embedding. A distance on the map is only a part of the distance in the embedding.
            """),
            show.image(
                draw_word_map(run.map_of_words, classes, data_name),
                "Words on the first two principal components of each embedding, colored by the"
                " rating of the word alone",
                width=900,
            ),
        ]
    )
    return


if __name__ == "__main__":
    app.run()
