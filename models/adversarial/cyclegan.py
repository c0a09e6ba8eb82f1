"""Two domains without pairs: a translation there, one back, and a critic of what each makes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from pyrogen.axes import Distribution, Likelihood
from pyrogen.base import Batch, HasCritic, HasTranslation, Model, Objective
from pyrogen.conditions import Condition
from pyrogen.inference.adversarial.cycle import CycleConsistency
from pyrogen.inference.adversarial.game import Adversarial
from pyrogen.kinds import BOUNDED, kinds_of_range
from pyrogen.models.adversarial.gan import MAKES
from pyrogen.nets import BatchDims
from pyrogen.nets.critics import CriticNet
from pyrogen.nets.generators import GeneratorNet
from pyrogen.nets.translators import Translator
from pyrogen.optim import Adam
from pyrogen.registry import entry, make, variant

BACK = {"name": "Laplace", "scale": "fixed", "value": 0.1}  # of what comes back: the λ = 10 of the reference


class CycleGAN(Model, HasCritic, HasTranslation):
    """G: x → y and F: y → x, a critic of each domain, and likelihoods of what comes back.

    Of the two it is what an adversarial autoencoder is of data and codes, twice: y is the code of x, with the second domain's
    data as its prior, and x that of y. No loss looks at an x and a y together, so that it does not matter which of them
    meet in a batch.

    Args:
        to_y: G, ``(N, *x_shape)`` to the same, of the given kind: for "unit" as after a sigmoid.
        to_x: F, likewise.
        critic_x: ``(N, *x_shape)`` to ``(N, 1)``, of the first domain.
        critic_y: of the second.
        x_shape: shape of a datum of either domain.
        likelihood: p(x|m) of m = F(G(x)), and p(y|m) of G(F(y)), of locations as features, as Laplace or Perceptual.
        objective: the game and what stands beside it; by default least squares and :class:`CycleConsistency`.
        kind: of the data of both domains: "real", "unit" or "binary".

    Raises:
        ValueError: another kind, or a likelihood whose features are no locations.
    """

    paired = False
    apart = True

    def __init__(
        self,
        to_y: nn.Module,
        to_x: nn.Module,
        critic_x: nn.Module,
        critic_y: nn.Module,
        x_shape: Sequence[int],
        likelihood: Likelihood | str = "Laplace",
        objective: Objective | str | None = None,
        kind: str = "real",
    ) -> None:
        super().__init__()
        self.kinds, self.x_shape = kinds_of_range(kind, MAKES), torch.Size(x_shape)
        self.condition = Condition(tuple(x_shape))
        self.objective: Objective = cycle_game() if objective is None else make("objective", objective)
        one = torch.Size([1])
        self.forth = BatchDims(to_y, self.x_shape, self.x_shape, "translation to y")
        self.back = BatchDims(to_x, self.x_shape, self.x_shape, "translation to x")
        self.critic_x = BatchDims(critic_x, self.x_shape, one, "critic of x")
        self.critic_y = BatchDims(critic_y, self.x_shape, one, "critic of y")
        self.likelihoods = nn.ModuleDict({name: make("likelihood", likelihood) for name in "xy"})
        for p in self.likelihoods.values():
            assert isinstance(p, Likelihood)
            p.size(self.x_shape)
            if p.channels(self.x_shape) != self.x_shape[0] or p.reads_logits:
                raise ValueError(
                    "what comes back is compared with what it was by a likelihood around it, as Laplace(scale='fixed'); "
                    f"{type(p).__name__} reads other features than locations."
                )

    def to_y(self, x: Tensor) -> Tensor:
        """G(x)."""
        y: Tensor = self.forth(x)
        return y

    def to_x(self, y: Tensor) -> Tensor:
        """F(y)."""
        x: Tensor = self.back(y)
        return x

    def x_given(self, made: Tensor) -> Distribution:
        """p(x|m)."""
        p: Distribution = self.likelihoods["x"](made)
        return p

    def y_given(self, made: Tensor) -> Distribution:
        """p(y|m)."""
        p: Distribution = self.likelihoods["y"](made)
        return p

    def translating_modules(self) -> Sequence[nn.Module]:
        """G, F and the likelihoods."""
        return [self.forth, self.back, self.likelihoods]

    def real(self, batch: Batch) -> Mapping[str, Tensor]:
        """Data of both domains."""
        assert batch.y is not None
        return {"x": batch.x, "y": batch.y}

    def fake(self, batch: Batch) -> Mapping[str, Tensor]:
        """F(y) and G(x)."""
        assert batch.y is not None
        return {"x": self.to_x(batch.y), "y": self.to_y(batch.x)}

    def criticize(self, sites: Mapping[str, Tensor]) -> Tensor:
        """The scores of x, each by the first critic, and after them those of y by the second, ``(2 B,)``; of one, its own."""
        critics = {"x": self.critic_x, "y": self.critic_y}
        return torch.cat([critic(sites[name]) for name, critic in critics.items() if name in sites]).squeeze(-1)

    def generator_modules(self) -> Sequence[nn.Module]:
        """G and F."""
        return [self.forth, self.back]

    def critic_modules(self) -> Sequence[nn.Module]:
        """Both critics."""
        return [self.critic_x, self.critic_y]

    def check(self, x: Tensor, y: Tensor | None = None) -> None:
        """Refuse data that are no two domains of one shape and kind.

        Raises:
            ValueError: as of any model; or y has another shape than x, or other numbers.
        """
        if y is not None and y.is_floating_point() and y.shape[1:] != self.x_shape:
            raise ValueError(unlike(self.x_shape, y.shape[1:]))
        super().check(x, y)
        if self.kinds == BOUNDED and y is not None and (y.amin() < 0 or y.amax() > 1):
            raise ValueError(
                f"both domains are of kind {self.kinds[0]!r}, numbers from 0 to 1, and y goes from {float(y.amin()):.3g} to "
                f"{float(y.amax()):.3g}; rescale it, or use kind='real'."
            )

    @torch.no_grad()
    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        """F(y), what ``n`` data of the second domain are in the first.

        Raises:
            ValueError: no y, or a wrong one.
        """
        self.check_draws(n, y)
        assert y is not None
        return self.to_x(y)


def unlike(x_shape: Sequence[int], y_shape: Sequence[int]) -> str:
    """The sentence for domains of two shapes."""
    return (
        f"the two domains have data of one shape, and x has {tuple(x_shape)} where y has {tuple(y_shape)}; resize one of "
        "them, or give it as many channels as the other."
    )


def cycle_game(identity: float = 0.5, weight: float = 1.0, history: int = 50) -> Objective:
    """The game of a CycleGAN: least squares, with the fakes of earlier rounds, beside cycle consistency."""
    adam = Adam(lr=2e-4, betas=(0.5, 0.999))
    game = Adversarial(
        loss="LeastSquares", critic_optimizer=adam, generator_optimizer=adam, reuse=True, history=history
    )
    return weight * game + CycleConsistency(identity)


@entry(
    "cyclegan",
    reference="Zhu et al. 2017, Unpaired image-to-image translation using cycle-consistent adversarial networks, "
    "arXiv:1703.10593",
    settles=("identity", "weight", "history"),
    data="domains",
    recipe={"epochs": 20, "lr": 1e-3, "batch_size": 8},
)
def cyclegan(
    x_shape: Sequence[int],
    y_shape: Sequence[int] | None = None,
    generator: GeneratorNet | str = "ResidualTranslator",
    critic: CriticNet | str = "Convolutional",
    likelihood: Likelihood | str | None = None,
    identity: float = 0.5,
    weight: float = 4.0,
    history: int = 50,
    objective: Objective | str | None = None,
    kind: str = "unit",
) -> CycleGAN:
    """Two translations between domains that were never paired, each with a critic, held together by what must come back.

    Args:
        x_shape: shape of one datum of the first domain.
        y_shape: of the second, the same.
        generator: the network of either translation, which is told a picture and no noise.
        critic: the network of either critic.
        likelihood: of what comes back around what it was; by default a Laplace of scale 0.1, the λ = 10 of the reference.
        identity: weight of leaving alone what is in the target's domain already.
        weight: of the game.
        history: how many translations of earlier rounds the critics see again.
        objective: the default objective of ``fit``, instead of what these weights say.
        kind: of the data of both domains; for "unit" and "binary" the networks end in a sigmoid.

    Raises:
        ValueError: the domains have data of two shapes.
    """
    kinds_of_range(kind, MAKES)
    if y_shape is not None and tuple(y_shape) != tuple(x_shape):
        raise ValueError(unlike(x_shape, y_shape))
    told = Condition(tuple(x_shape))
    net: GeneratorNet = make("generator", generator)
    judging: CriticNet = make("critic", critic)
    to_y, to_x = (Translator(net.build(0, x_shape, kind, told)) for _ in range(2))
    critic_x, critic_y = (judging.build(x_shape) for _ in range(2))
    p: Likelihood = make("likelihood", BACK if likelihood is None else likelihood)
    game = cycle_game(identity, weight, history) if objective is None else objective
    return CycleGAN(to_y, to_x, critic_x, critic_y, x_shape, p, game, kind)


cyclegan_paper = variant(
    "cyclegan-paper",
    of="cyclegan",
    says="The CycleGAN with the networks of its paper, for a GPU: nine blocks of 256 channels.",
    defaults={
        "generator": {"name": "ResidualTranslator", "width": 64, "blocks": 9},
        "critic": {"name": "Convolutional", "width": 64, "normalization": "layer"},
    },
    reference="Zhu et al. 2017, arXiv:1703.10593, appendix: batches of one, 100 epochs at 2e-4 and 100 more that fall",
    data="domains(size=64, style='outline')",
    recipe={"epochs": 200, "lr": 2e-4, "batch_size": 1, "lr_milestones": [101, 126, 151, 176], "lr_decay": 0.5},
)
