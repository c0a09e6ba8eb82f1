"""Entries that hide elements and tell them again: told nothing, and told y; of pictures, and of sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pyrogen.axes import Likelihood
from pyrogen.base import Objective
from pyrogen.conditions import Condition
from pyrogen.likelihoods.tokens import Tokens
from pyrogen.models.autoregressive.made import element_wise
from pyrogen.models.diffusion.masked import MaskedDiffusion, seen_shape
from pyrogen.models.sequences.text import Known, words_of
from pyrogen.nets.denoisers import DenoiserNet, denoiser_of
from pyrogen.registry import entry


@entry(
    "masked-diffusion",
    reference="Austin et al. 2021, Structured denoising diffusion, arXiv:2107.03006; Hoogeboom et al. 2022, arXiv:2110.02037",
    data="digits",
    recipe={"epochs": 200, "lr": 2e-3, "batch_size": 64},
)
def masked_diffusion(
    x_shape: Sequence[int],
    steps: int | None = None,
    denoiser: DenoiserNet | str | Mapping[str, Any] | None = None,
    likelihood: Likelihood | str = "Bernoulli",
    objective: Objective | str | None = None,
) -> MaskedDiffusion:
    """The diffusion that hides elements of data, and the autoregression in any order that is its limit of many steps.

    Args:
        x_shape: shape of one datum.
        steps: T, of the bound and of the samples; None: the limit, one element a step.
        denoiser: the network; by default UNet of images and Perceptron of others.
        likelihood: of one element given those that are seen.
        objective: the default objective of ``fit``: DiffusionELBO().
    """
    return _hiding(element_wise(x_shape, likelihood, "A masked diffusion"), denoiser, steps, objective)


@entry(
    "masked-diffusion-conditional",
    reference="Ho & Salimans 2021, arXiv:2207.12598; of what is hidden: Schiff et al. 2024, Simple guidance mechanisms for "
    "discrete diffusion models, arXiv:2412.10193",
    data="digits",
    recipe={"epochs": 200, "lr": 2e-3, "batch_size": 64},
)
def masked_diffusion_conditional(
    x_shape: Sequence[int],
    y_shape: Sequence[int] = (),
    classes: int | None = None,
    steps: int | None = None,
    dropped: float = 0.1,
    denoiser: DenoiserNet | str | Mapping[str, Any] | None = None,
    guidance: float = 1.0,
    likelihood: Likelihood | str = "Bernoulli",
    objective: Objective | str | None = None,
) -> MaskedDiffusion:
    """The same of data given labels or real numbers, whose samples may be guided to agree with them more.

    Args:
        x_shape: shape of one datum.
        y_shape: shape of one y; () for one label.
        classes: how many there are, or None where y is real numbers.
        steps: T, of the bound and of the samples; None: the limit, one element a step.
        dropped: the share of data whose y is hidden in training, without which samples cannot be guided.
        denoiser: the network; by default UNet of images and Perceptron of others.
        guidance: the weight of y in samples, unless they are asked for with another: at 1 they are of the model.
        likelihood: of one element given those that are seen.
        objective: the default objective of ``fit``: DiffusionELBO().
    """
    condition = Condition(tuple(y_shape), classes)
    p = element_wise(x_shape, likelihood, "A masked diffusion")
    return _hiding(p, denoiser, steps, objective, condition, dropped, guidance)


@entry(
    "masked-diffusion-text",
    reference="Austin et al. 2021, arXiv:2107.03006; Sahoo et al. 2024, Simple and effective masked diffusion language "
    "models, arXiv:2406.07524",
    fixes={"likelihood": "Tokens"},
    data="grammar",
    recipe={"epochs": 100, "lr": 2e-3, "batch_size": 64},
)
def masked_diffusion_text(
    x_shape: Sequence[int],
    vocabulary: Known,
    denoiser: DenoiserNet | str | Mapping[str, Any] = "SequenceTransformer",
    objective: Objective | str | None = None,
) -> MaskedDiffusion:
    """The diffusion that hides words of sentences, their ends among them, so that lengths are scored too.

    Args:
        x_shape: (1, T).
        vocabulary: the words; data bring their own.
        denoiser: the network.
        objective: the default objective of ``fit``: DiffusionELBO().
    """
    return _hiding(_words(x_shape, vocabulary, "masked-diffusion-text"), denoiser, None, objective)


@entry(
    "masked-diffusion-text-conditional",
    reference="Sahoo et al. 2024, arXiv:2406.07524; Schiff et al. 2024, Simple guidance mechanisms for discrete diffusion "
    "models, arXiv:2412.10193",
    fixes={"likelihood": "Tokens"},
    data="grammar",
    recipe={"epochs": 100, "lr": 2e-3, "batch_size": 64},
)
def masked_diffusion_text_conditional(
    x_shape: Sequence[int],
    vocabulary: Known,
    y_shape: Sequence[int] = (),
    classes: int | None = None,
    dropped: float = 0.1,
    denoiser: DenoiserNet | str | Mapping[str, Any] = "SequenceTransformer",
    guidance: float = 1.0,
    objective: Objective | str | None = None,
) -> MaskedDiffusion:
    """The same of sentences given y, such as what they are about, and guided to be about it more.

    Args:
        x_shape: (1, T).
        vocabulary: the words; data bring their own.
        y_shape: shape of one y; () for one label.
        classes: how many there are, or None where y is real numbers.
        dropped: the share of data whose y is hidden in training, without which samples cannot be guided.
        denoiser: the network.
        guidance: the weight of y in samples, unless they are asked for with another: at 1 they are of the model.
        objective: the default objective of ``fit``: DiffusionELBO().
    """
    condition = Condition(tuple(y_shape), classes)
    p = _words(x_shape, vocabulary, "masked-diffusion-text-conditional")
    return _hiding(p, denoiser, None, objective, condition, dropped, guidance)


def _words(x_shape: Sequence[int], vocabulary: Known, who: str) -> Likelihood:
    return element_wise(x_shape, Tokens(words_of(vocabulary, who)), "A masked diffusion")


def _hiding(
    p: Likelihood,
    denoiser: DenoiserNet | str | Mapping[str, Any] | None,
    steps: int | None,
    objective: Objective | str | None,
    condition: Condition | None = None,
    dropped: float = 0.0,
    guidance: float = 1.0,
) -> MaskedDiffusion:
    net = denoiser_of(p.x_shape, denoiser, {"name": "Perceptron", "octaves": 0})
    told = 0 if condition is None else condition.size + 1
    built = net.build(seen_shape(p), told, p.channels(p.x_shape))
    return MaskedDiffusion(built, p, steps, objective, condition, dropped, guidance)
