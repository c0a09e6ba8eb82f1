"""Metrics of objectives' gradients: how noisy they are at a trained model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from pyrogen.base import Batch, Model, Pair
from pyrogen.data import Data
from pyrogen.inference.latents.measured import Measured, spread
from pyrogen.inference.metrics.with_error import WithError
from pyrogen.inference.objectives.weighted import PairObjective
from pyrogen.inference.programs.contexts import evaluating, reached, seeded
from pyrogen.inference.programs.record import Site, latents, log_prob, record
from pyrogen.registry import choice, make


@choice("metric", "encoder-gradient-variance")
def encoder_gradient_variance(
    model: Model,
    data: Data,
    seed: int,
    objective: Mapping[str, Any] | str,
    relative_to: Mapping[str, Any] | str,
    num_data: int = 64,
    repeats: int = 200,
) -> WithError:
    """The variance of one objective's gradient for the encoder over that of another's, at the same weights and data.

    Tr Cov[∇φ L] / Tr Cov[∇φ L′] over draws of z alone, from two streams of random numbers; φ are the parameters that
    log q(z|x) depends on and log p(x, z) does not. 1, but for the noise of ``repeats`` gradients, for an objective against
    itself. Where both gradients have the same mean, its inverse is the ratio of their squared signal-to-noise ratios.
    Reference: Rainforth et al. 2018, arXiv:1802.04537; Tucker et al. 2019, arXiv:1810.04152, figure 1.

    Raises:
        ValueError: no (model, guide) pair whose guide has parameters of its own, or an objective of something else.
    """
    if not isinstance(model, Pair):
        raise ValueError(f"encoder-gradient-variance needs a (model, guide) pair; got {type(model).__name__}.")
    batch = Batch(data.train.x[:num_data].to(model.device), _first(data.train.y, num_data, model.device))
    owned = _of_the_guide(model, batch)
    found = []
    for stream, wish in enumerate((objective, relative_to)):
        with seeded(2 * seed + stream, model.device):
            found.append(_variance(model, batch, make("objective", wish), owned, repeats))
    return WithError.of(found[0].over(found[1]))


def _variance(pair: Pair, batch: Batch, objective: Any, owned: Sequence[nn.Parameter], repeats: int) -> Measured:
    if not isinstance(objective, PairObjective):
        raise ValueError(f"encoder-gradient-variance needs objectives of pairs; got {type(objective).__name__}.")
    drawn = []
    for _ in range(repeats):
        with evaluating(pair), torch.enable_grad():
            parts = torch.autograd.grad(objective.terms(pair, batch)["loss"], owned)
        drawn.append(torch.cat([part.flatten() for part in parts]).double())
    return spread(torch.stack(drawn))


def _of_the_guide(pair: Pair, batch: Batch) -> list[nn.Parameter]:
    """Parameters that log q(z|x) depends on and log p(x, z) does not."""
    with evaluating(pair), torch.enable_grad():
        drawn = record(pair.guide, batch.x, batch.y)
        values = {name: z.detach() for name, z in latents(drawn).items()}
        of_guide, of_model = (
            reached(_log_joint(record(program, batch.x, batch.y, values)), pair.parameters())
            for program in (pair.guide, pair.model)
        )
    owned = [p for p in pair.parameters() if id(p) in of_guide - of_model]
    if not owned:
        raise ValueError(f"the guide of {type(pair).__name__} has no parameters of its own, so no gradient to measure.")
    return owned


def _log_joint(sites: Mapping[str, Site]) -> Tensor:
    return torch.stack([log_prob(site).sum() for site in sites.values()]).sum() if sites else torch.zeros(())


def _first(y: Tensor | None, n: int, device: torch.device) -> Tensor | None:
    return None if y is None else y[:n].to(device)
