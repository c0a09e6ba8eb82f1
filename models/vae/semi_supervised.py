"""Semi-supervised variational autoencoders: some labels are known, the others are latents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pyro
import pyro.distributions as dist
import torch
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from pyrogen.axes import Distribution, Likelihood, Posterior, Prior
from pyrogen.base import Batch, HasClassifier, HasPosterior, Objective, Pair, Stage, announce, told
from pyrogen.conditions import UNKNOWN, Condition
from pyrogen.inference.objectives.classification import Classification
from pyrogen.inference.objectives.enumerated import EnumeratedELBO
from pyrogen.models.vae.conditional import vae_conditional
from pyrogen.models.vae.vae import VAE
from pyrogen.nets import BatchDims, mlp
from pyrogen.registry import entry, make

# −log of the probability that is left to classes that a known label rules out
RULED_OUT = 1e4


class SemiSupervisedVAE(Pair, HasPosterior, HasClassifier):
    """A class and a style, c ~ uniform, z ~ p(z), x ~ p(x|z, c), with the guide q(c|x) q(z|x, c).

    Where the label y is known, q(c|x) is a point at it, and the bound is log p(x, y) ≥ E_q(z|x,y) log p(x, y, z) / q(z|x, y);
    where it is ``UNKNOWN`` it is log p(x) ≥ Σ_c q(c|x) [bound(x, c) − log q(c|x)].

    Args:
        vae: the conditional VAE of data given their class.
        classifier: ``(N, *x_shape)`` to ``(N, classes)`` logits.
        objective: the default objective of ``fit``.

    Raises:
        ValueError: a VAE that is not conditional on one label, or whose prior must see codes or data.
    """

    even: Tensor

    def __init__(self, vae: VAE, classifier: nn.Module, objective: Objective) -> None:
        super().__init__()
        if vae.condition is None or (classes := vae.condition.one_of) is None:
            raise ValueError("a semi-supervised VAE is made of a VAE that is conditional on one label a datum.")
        if vae.prior.needs_training_data or not vae.posterior.has_density:
            raise ValueError(
                f"a semi-supervised VAE weighs classes by densities of z; got the prior {type(vae.prior).__name__} and the "
                f"posterior {type(vae.posterior).__name__}; use StandardNormal and DiagonalNormal."
            )
        if len(vae.latent_shape) > 1:
            raise ValueError(
                f"a semi-supervised VAE has a vector beside its class, and this VAE latents {tuple(vae.latent_shape)}; use "
                f"latent_size={vae.latent_size}."
            )
        self.vae, self.classes = vae, classes
        self.x_shape, self.latent_shape, self.objective = vae.x_shape, vae.latent_shape, objective
        self.kinds, self.missing = vae.kinds, vae.missing
        self.condition: Condition = Condition((), self.classes, optional=True)
        self.classifier = BatchDims(classifier, self.x_shape, torch.Size([self.classes]), "classifier")
        self.register_buffer("even", torch.zeros(self.classes), persistent=False)

    def model(self, x: Tensor, y: Tensor | None = None) -> None:
        """p(c) p(z|c) p(x|z, c)."""
        announce(self)
        with pyro.plate("datum", x.shape[0], dim=-1, device=str(x.device)):
            label = pyro.sample("label", dist.Categorical(logits=self.even))
            z = pyro.sample("z", self.vae.prior(label))
            pyro.sample("x", self.vae.decode(z, label), obs=x)

    def guide(self, x: Tensor, y: Tensor | None = None) -> None:
        """q(c|x) q(z|x, c), with q(c|x) a point where the label is known."""
        announce(self)
        with pyro.plate("datum", x.shape[0], dim=-1, device=str(x.device)):
            label = pyro.sample("label", self._label(x, y))
            pyro.sample("z", self.vae.infer(x, label))

    def stages(self) -> Sequence[Stage]:
        """That of the objective, and then those of a prior that is fitted to the codes at the named labels."""

        def coded(batch: Batch) -> Batch:
            return self.vae.coded(replace(batch, y=self._named(batch.x, batch.y)))

        return self.vae.prior.stages_after(super().stages(), coded)

    @property
    def needs_training_data(self) -> bool:
        """Whether the likelihood does."""
        return self.vae.likelihood.needs_training_data

    def before_training(self, x: Tensor, y: Tensor | None = None) -> None:
        """Show every axis the training data, before training."""
        self.vae.before_training(x, y)

    def condition_for(self, y: Tensor | None, x: Tensor | None = None) -> Tensor | None:
        """Nothing need be told: of data it is the most probable class under q(c|x), whether or not a label is known."""
        return None if x is None else self._named(self.read(x), None)

    def classify(self, x: Tensor) -> Distribution:
        """q(c|x), batch shape ``(B,)``."""
        return self._label(x, None)

    def classifier_modules(self) -> Sequence[nn.Module]:
        """The classifier."""
        return [self.classifier]

    def encode(self, x: Tensor | TensorDataset, y: Tensor | None = None) -> Distribution:
        """q(z|x, c) at the known label or, without one, at the most probable class."""
        x, y = told(self, x, y)
        x = self.read(x)
        self.check(x, y)
        return self.vae.encode(x, self._named(x, y))

    def decode(self, z: Tensor, y: Tensor | None = None) -> Distribution:
        """p(x|z, c): batch shape of z and y, broadcast.

        Raises:
            ValueError: no class is given, or one that there is not.
        """
        if y is None:
            raise ValueError("p(x|z, c) needs a class for each z: pass y.")
        Condition((), self.classes).check(y.flatten(), y.numel())
        return self.vae.decode(z, y)

    def code(self, x: Tensor | TensorDataset, y: Tensor | None = None) -> Tensor:
        """The z that the posterior names at the known label or, without one, at the most probable class."""
        return self.vae.posterior.code(self.encode(x, y))

    def reconstruct(self, x: Tensor | TensorDataset, y: Tensor | None = None) -> Tensor:
        """The mean of p(x|z, c) at each datum's code and class, ``(B, *x_shape)``."""
        x, y = told(self, x, y)
        x = self.read(x)
        self.check(x, y)
        return self.vae.reconstruct(x, self._named(x, y))

    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        """Draw ``n`` data of the given classes, or of classes drawn from p(c) where none is known."""
        return self.vae.sample(n, self._drawn(n, y))

    def sample_mean(self, n: int, y: Tensor | None = None) -> Tensor:
        """The means of p(x|z, c) at ``n`` drawn z."""
        return self.vae.sample_mean(n, self._drawn(n, y))

    def check(self, x: Tensor, y: Tensor | None = None) -> None:
        """Refuse data of the wrong shape, outside what the likelihood scores, or with labels that are no classes."""
        super().check(x, y)
        self.vae.likelihood.check(x)

    def _label(self, x: Tensor, y: Tensor | None) -> Distribution:
        logits = self.classifier(self.vae.likelihood.rescale(x))
        if y is not None:
            told = RULED_OUT * (self.condition.read(y).to(logits) - 1)
            logits = torch.where((y > UNKNOWN).unsqueeze(-1), told, logits)
        return dist.Categorical(logits=logits)

    def _named(self, x: Tensor, y: Tensor | None) -> Tensor:
        return self._label(x, y).logits.argmax(-1)

    def _drawn(self, n: int, y: Tensor | None) -> Tensor:
        self.check_draws(n, y)
        if y is not None and not (y == UNKNOWN).any():
            return y
        drawn = torch.randint(self.classes, (n,), device=self.device)
        return drawn if y is None else torch.where(y == UNKNOWN, drawn, y)


@entry(
    "vae-semi-supervised",
    reference="Kingma et al. 2014, Semi-supervised learning with deep generative models, arXiv:1406.5298, M2",
    settles=("weight",),
    data="mnist",
    recipe={"epochs": 50, "lr": 1e-3, "batch_size": 128},
)
def vae_semi_supervised(
    x_shape: Sequence[int],
    classes: int | None = None,
    latent_size: int = 20,
    hidden: Sequence[int] = (400,),
    prior: Prior | str = "StandardNormal",
    posterior: Posterior | str = "DiagonalNormal",
    likelihood: Likelihood | str = "Bernoulli",
    weight: float = 10.0,
    objective: Objective | str | None = None,
) -> SemiSupervisedVAE:
    """The VAE whose classes are latents where no label is known, summed over exactly.

    Args:
        x_shape: shape of one datum, channels first.
        classes: how many there are.
        latent_size: size of z.
        hidden: widths of the encoder's hidden layers; the decoder mirrors them, the classifier has them.
        prior: p(z), or ConditionalNormal for p(z|c).
        posterior: q(z|x, c).
        likelihood: p(x|z, c).
        weight: of the classifier's own loss on known labels.
        objective: instead of EnumeratedELBO() + weight * Classification().
    """
    vae = vae_conditional(x_shape, (), classes, latent_size, hidden, prior, posterior, likelihood)
    assert vae.condition is not None
    classifier = mlp(x_shape, hidden, (vae.condition.size,))
    goal = EnumeratedELBO() + weight * Classification() if objective is None else make("objective", objective)
    return SemiSupervisedVAE(vae, classifier, goal)
