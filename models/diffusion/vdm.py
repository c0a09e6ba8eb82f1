"""Entries that are diffusions of real numbers: told nothing, and told y."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pyrogen.base import Objective
from pyrogen.conditions import Condition
from pyrogen.models.diffusion.diffusion import Diffusion
from pyrogen.nets.denoisers import DenoiserNet, denoiser_of
from pyrogen.noise import NoiseSchedule
from pyrogen.registry import entry, make
from pyrogen.samplers import Sampler


@entry(
    "vdm",
    reference="Kingma et al. 2021, Variational diffusion models, arXiv:2107.00630; Ho et al. 2020, arXiv:2006.11239",
    data="ring",
    recipe={"epochs": 40, "lr": 1e-3, "batch_size": 128},
)
def vdm(
    x_shape: Sequence[int],
    steps: int = 50,
    denoiser: DenoiserNet | str | Mapping[str, Any] | None = None,
    noise: NoiseSchedule | str | Mapping[str, Any] = "Linear",
    predicts: str = "velocity",
    sampler: Sampler | str | Mapping[str, Any] = "Ancestral",
    kind: Literal["real", "unit"] = "real",
    objective: Objective | str | None = None,
) -> Diffusion:
    """The diffusion model as a hierarchy of latents with a fixed guide, trained on its bound one step a datum.

    Args:
        x_shape: shape of one datum.
        steps: T, of the bound, and of the samples.
        denoiser: the network; by default UNet of images and Perceptron of others.
        noise: how noise grows.
        predicts: "noise", "signal" or "velocity".
        sampler: how samples are drawn, unless they are asked for by another.
        kind: of the data.
        objective: the default objective of ``fit``: DiffusionELBO().
    """
    net = denoiser_of(x_shape, denoiser)
    return Diffusion(
        net.build(x_shape),
        x_shape,
        steps,
        make("noise", noise),
        predicts,
        kind,
        objective,
        sampler=make("sampler", sampler),
    )


@entry(
    "vdm-conditional",
    reference="Ho & Salimans 2021, Classifier-free diffusion guidance, arXiv:2207.12598",
    data="ring",
    recipe={"epochs": 40, "lr": 1e-3, "batch_size": 128},
)
def vdm_conditional(
    x_shape: Sequence[int],
    y_shape: Sequence[int] = (),
    classes: int | None = None,
    steps: int = 50,
    dropped: float = 0.1,
    denoiser: DenoiserNet | str | Mapping[str, Any] | None = None,
    noise: NoiseSchedule | str | Mapping[str, Any] = "Linear",
    predicts: str = "velocity",
    sampler: Sampler | str | Mapping[str, Any] = "Ancestral",
    guidance: float = 1.0,
    kind: Literal["real", "unit"] = "real",
    objective: Objective | str | None = None,
) -> Diffusion:
    """The diffusion of data given labels or real numbers, whose samples may be guided to agree with them more.

    Args:
        x_shape: shape of one datum, channels first.
        y_shape: shape of one y; () for one label.
        classes: how many there are, or None where y is real numbers.
        steps: T, of the bound, and of the samples.
        dropped: the share of data whose y is hidden in training, without which samples cannot be guided.
        denoiser: the network; by default UNet of images and Perceptron of others.
        noise: how noise grows.
        predicts: "noise", "signal" or "velocity".
        sampler: how samples are drawn, unless they are asked for by another.
        guidance: the weight of y in samples, unless they are asked for with another: at 1 they are of the model.
        kind: of the data.
        objective: the default objective of ``fit``: DiffusionELBO().
    """
    condition = Condition(tuple(y_shape), classes)
    net = denoiser_of(x_shape, denoiser).build(x_shape, condition.size + 1)
    return Diffusion(
        net,
        x_shape,
        steps,
        make("noise", noise),
        predicts,
        kind,
        objective,
        condition,
        dropped,
        make("sampler", sampler),
        guidance,
    )
