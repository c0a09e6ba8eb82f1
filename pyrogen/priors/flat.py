"""No prior: the flat measure of plain autoencoders, and what is fitted to their codes afterwards."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import pyro.distributions as dist
import torch
from pyro.distributions import constraints
from torch import Tensor

from pyrogen.axes import Distribution, Prior
from pyrogen.priors import ex_post
from pyrogen.registry import choice


class FlatOver(dist.ImproperUniform):
    """It scores 0 everywhere; what is drawn from it comes from ``draw()``."""

    def __init__(self, draw: Callable[[], Distribution], event_shape: torch.Size, batch_shape: Any = ()) -> None:
        self.draw = draw
        super().__init__(constraints.real_vector, torch.Size(batch_shape), event_shape)

    def expand(self, batch_shape: Any, _instance: Any = None) -> FlatOver:
        """The same for another batch shape."""
        return FlatOver(self.draw, self.event_shape, batch_shape)

    def log_prob(self, value: Tensor) -> Tensor:
        """0 over the batch shape, where the value is: Pyro's own zeros are on a CPU."""
        return value.new_zeros(torch.broadcast_shapes(value.shape[: value.dim() - self.event_dim], self.batch_shape))

    def sample(self, sample_shape: Any = torch.Size()) -> Tensor:  # noqa: B008
        """Draws of the fitted distribution."""
        return self.draw().sample(torch.Size(sample_shape) + self.batch_shape)


@choice("prior")
class Flat(Prior):
    """The improper prior p(z) ∝ 1, which leaves the codes alone.

    It demands a point-mass posterior: the pair is then the plain autoencoder. It has no samples of its own; once training
    ends, a density is fitted to the codes, and generated data start there.

    Shapes: event ``(latent_size,)``. Reference (ex-post density): Ghosh et al. 2020, arXiv:1903.12436.

    Args:
        ex_post: what is fitted to the codes: "normal", "mixture" (of normals, each with its covariance) or "flow".
        components: normals of the mixture.
    """

    proper = False
    needs_training_data = True
    fitted: Tensor

    def __init__(self, ex_post: Literal["normal", "mixture", "flow"] = "normal", components: int = 10) -> None:
        super().__init__()
        if ex_post not in ("normal", "mixture", "flow"):
            raise ValueError(f"Flat(ex_post={ex_post!r}): choose 'normal', 'mixture' or 'flow'.")
        if components < 1:
            raise ValueError(f"Flat(components={components}): a mixture needs at least one component.")
        self.ex_post, self.components = ex_post, components

    def size(self, latent_size: int) -> None:
        """Make room for what will be fitted."""
        if self.ex_post == "flow" and latent_size < 2:
            raise ValueError(
                "Flat(ex_post='flow') couples halves of z, and latent_size=1 has none; use latent_size >= 2, or "
                "ex_post='mixture'."
            )
        densities: dict[str, Callable[[], ex_post.ExPost]] = {
            "normal": lambda: ex_post.Normal(latent_size),
            "mixture": lambda: ex_post.NormalMixture(latent_size, self.components),
            "flow": lambda: ex_post.Flow(latent_size),
        }
        self.density = densities[self.ex_post]()
        self.latent_size = latent_size
        self.register_buffer("fitted", torch.zeros((), dtype=torch.bool))

    def forward(self, y: Tensor | None = None) -> Distribution:
        """The improper distribution: it scores 0 everywhere and cannot be sampled."""
        return FlatOver(self.generator, torch.Size([self.latent_size]))

    @torch.no_grad()
    def after_training(self, z: Tensor, y: Tensor | None = None) -> None:
        """Fit the density to the codes, ``(N, latent_size)``.

        Raises:
            ValueError: there are too few.
        """
        if len(z) < self.density.fewest:
            raise ValueError(
                f"Flat(ex_post={self.ex_post!r}) needs at least {self.density.fewest} codes to be fitted to; got {len(z)}."
            )
        self.density.fit(z)
        self.fitted.fill_(True)

    def generator(self, y: Tensor | None = None) -> Distribution:
        """The fitted density.

        Raises:
            ValueError: nothing has been fitted yet.
        """
        if not self.fitted:
            raise ValueError(
                "the Flat prior cannot be sampled before a distribution is fitted to the codes: train the model by "
                "fit(...), or call model.after_training(x) on training data."
            )
        found: Distribution = self.density()
        return found
