"""Where data lie in the space of codes: as points, as posteriors, and together, against the prior."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from pyrogen.axes import Prior
from pyrogen.data import Data
from pyrogen.distributions.shaped import in_shape
from pyrogen.figures import latent_plots, plots
from pyrogen.figures.shades import shades
from pyrogen.files import sentence
from pyrogen.inference.latents.activity import collapse_in_words, has_learned, in_words
from pyrogen.inference.latents.walks import aggregate
from pyrogen.inference.pages.panel import (
    ADVICE,
    COUNTED,
    DECODED,
    LATENTS,
    SCATTERED,
    History,
    Panel,
    labels_of,
    last,
    told_of,
)
from pyrogen.inference.programs.record import is_certain, is_point
from pyrogen.kinds import is_picture

PAIRED, MARGINS, BUBBLES, DRAWS = 4, 8, 60, 200


def most_active(model: Any, codes: Tensor, history: History, n: int) -> tuple[list[int], str]:
    """The ``n`` latents that say most, and by what: their KL where it is known, or the variance of their codes."""
    nats = last(history, "valid/kl_per_dim", model.latent_size)
    activity = codes.var(0) if nats is None else torch.tensor(nats)
    order: list[int] = activity.argsort(descending=True, stable=True)[:n].tolist()
    return order, "variance of its code" if nats is None else "KL"


def codes(model: Any, data: Data, history: History) -> Iterator[Panel]:
    """Where the data lie in the space of codes."""
    test = data.test.spread(SCATTERED)
    found, labels = model.code(test.x, test.y).flatten(1), labels_of(test, data)
    # many classes have no colours of their own in a histogram
    shown = labels if model.latent_size > 1 else latent_plots.few(labels)
    colored = ", coloured by label" if shown is not None else ""
    dimensions = "" if model.latent_size <= 2 else ": their two principal components"
    caption = f"Codes of {len(test)} test data{colored}{dimensions}."
    yield Panel(LATENTS, caption, "latents", latent_plots.latent_scatter(found, labels))
    if model.latent_size > 2 and len(test) >= 10:
        caption = (
            f"t-SNE of {min(len(test), 1000)} of them: neighbours stay neighbours; distances between groups and their "
            "sizes mean nothing."
        )
        yield Panel(LATENTS, caption, "latents-tsne", latent_plots.latent_scatter(found, labels, "tsne"))


def against_the_prior(model: Any, data: Data, history: History) -> Iterator[Panel]:
    """Whether the codes of all data together fill the prior that samples are drawn from."""
    test = data.test.spread(SCATTERED)
    priors = [prior for prior in model.modules() if isinstance(prior, Prior)]
    if not priors or len(test) < 2:
        return
    p = priors[0].generator(model.condition_for(test.y))
    drawn = p.sample(() if p.batch_shape else (len(test),)).flatten(1)
    together = aggregate(model, test.x, test.y)
    if drawn.shape != together.shape:
        return
    order, by = most_active(model, together, history, MARGINS)
    source = "the prior" if priors[0].proper else "the normal distribution fitted to the codes of the training data"
    if model.latent_size > 1:
        dimensions = "" if model.latent_size == 2 else ", in the two principal axes of the codes"
        caption = (
            f"A draw of q(z|x) for each of {len(test)} test data, together the aggregated posterior, upon as many draws of "
            f"{source}{dimensions}. Where only the latter lie, the model generates what it has not seen."
        )
        yield Panel(LATENTS, caption, "aggregated", latent_plots.aggregated(together, drawn))
    caption = (
        f"The same draws, one latent at a time{f'; the most active by {by} come first' if len(order) > 1 else ''}."
    )
    yield Panel(LATENTS, caption, "marginals", latent_plots.marginals(together, drawn, order))


def paired(model: Any, data: Data, history: History) -> Iterator[Panel]:
    """The most active latents against one another."""
    test = data.test.spread(COUNTED)
    if model.latent_size < 3 or len(test) < 2:
        return
    found, labels = model.code(test.x, test.y).flatten(1), labels_of(test, data)
    order, by = most_active(model, found, history, PAIRED)
    if all(len(column.unique()) <= 2 for column in found[:, order].T):
        return  # bits: all that one would see are the corners of squares
    caption = f"Codes of {len(test)} test data in the {len(order)} most active latents (by {by}), each against each."
    yield Panel(LATENTS, caption, "pairs", latent_plots.pairs(found, order, labels))


def bubbles(model: Any, data: Data, history: History) -> Iterator[Panel]:
    """How sure the model is of each datum's code."""
    test = data.test.spread(BUBBLES)
    q = model.encode(test.x, test.y)
    if model.latent_size < 2 or is_point(q) or is_certain(q) or len(test) < 3:
        return
    draws = q.sample((DRAWS,)).flatten(2).double()
    centred = draws - draws.mean(0)
    covariance = torch.einsum("snd,sne->nde", centred, centred) / (DRAWS - 1)
    labels = labels_of(test, data)
    dimensions = "" if model.latent_size == 2 else ", in the two principal axes of their centres"
    colored = ", coloured by label" if latent_plots.few(labels) is not None else ""
    caption = (
        f"What the model knows of the codes of {len(test)} test data: q(z|x) as an ellipse of one standard deviation"
        f"{dimensions}{colored}. Wide ones are uncertain; ones upon each other cannot be told apart."
    )
    figure = latent_plots.ellipses(draws.mean(0), covariance, labels)
    yield Panel(LATENTS, caption, "posteriors", figure)


def manifold(model: Any, data: Data, history: History) -> Iterator[Panel]:
    """The plane of latents, where there are two, as the pictures that it decodes to."""
    test = data.test.spread(SCATTERED)
    if model.latent_size != 2 or not is_picture(model.x_shape) or len(test) < 2:
        return
    side, draws = 15, aggregate(model, test.x, test.y)
    across, up = draws.quantile(torch.linspace(0.03, 0.97, side, device=draws.device), 0).T
    grid = torch.stack(torch.meshgrid(across, up.flip(0), indexing="xy"), -1).reshape(-1, 2)
    y = told_of(model, test.take(1))
    first = None if y is None else y[0]
    given = "" if first is None else ", given the y of the first test datum"
    caption = f"The plane of latents, decoded at the codes' 3 to 97 % quantiles on each axis{given}."
    figure = plots.manifold(
        model.decode(in_shape(grid, model.latent_shape), first).mean, data.kind, side, shades(test, data.kind)
    )
    yield Panel(DECODED, caption, "manifold", figure)


def usage(model: Any, data: Data, history: History) -> Iterator[Panel]:
    """How much the latents are used, from the last epoch's measurement on the validation split."""
    nats = last(history, "valid/kl_per_dim", model.latent_size)
    if nats is not None:
        caption = f"KL(q(z|x) ‖ p(z)) of each latent on the validation split, {sum(nats):.3g} nats together."
        yield Panel(LATENTS, caption, "kl", plots.bars(nats, "latent", "KL, nats"))
    active = last(history, "valid/active_units")
    if active is None:
        return
    rates = {k: last(history, f"valid/{k}", model.latent_size) for k in ("kl_per_dim", "information_per_dim")}
    measured = {"active_units": int(active), **{k: v for k, v in rates.items() if v is not None}}
    said = f"{in_words(measured, model.latent_size)}."
    if active == 0 and has_learned(history[-1]):
        found, advice = collapse_in_words(history[-1])
        said = f"{sentence(found)} {said} The codes say next to nothing of the data; {advice}"
    shared = last(history, "valid/mutual_information")
    if shared is not None:
        noise = ", here below 0 by the noise of few draws" if round(shared, 2) < 0 else ""
        said += (
            f" The codes share about {round(shared, 2) + 0.0:.2f} nats with the data, by an estimate that in "
            f"expectation is no more than the truth{noise}."
        )
    yield Panel(ADVICE, said)
