"""The posterior over directions."""

from __future__ import annotations

from collections.abc import Callable

from pyro.distributions import constraints
from torch import Tensor
from torch.nn.functional import normalize, pad, softplus

from pyrogen.axes import Distribution, Posterior
from pyrogen.distributions import sphere
from pyrogen.registry import choice


@choice("posterior")
class VonMisesFisher(Posterior):
    """A direction and how sure it is, q(z|x) ∝ exp(κ(x) μ(x)ᵀz) for ‖z‖ = 1.

    μ is the direction of the first features, κ = softplus(the last). The KL to HypersphericalUniform is closed.

    Shapes: features ``(..., latent_size + 1)``; event ``(latent_size,)``.
    Reference: Davidson et al. 2018, arXiv:1804.00891.
    """

    support = constraints.sphere

    def __init__(self) -> None:
        super().__init__()

    def width(self, latent_size: int) -> int:
        """latent_size + 1.

        Raises:
            ValueError: there are two directions only.
        """
        sphere.refuse_two_points(self, latent_size)
        return latent_size + 1

    def code(self, q: Distribution) -> Tensor:
        """μ: the mean is inside the sphere."""
        z: Tensor = q.loc
        return z

    def forward(self, features: Tensor, log_joint: Callable[[Tensor], Tensor] | None = None) -> Distribution:
        """The von Mises–Fisher distribution."""
        direction, raw = features[..., :-1], features[..., -1]
        # features that are all 0 have no direction: they get the first axis
        aside = pad(features.new_full((1,), 1e-6), (0, direction.shape[-1] - 1))
        return sphere.VonMisesFisher(normalize(direction + aside, dim=-1), softplus(raw))
