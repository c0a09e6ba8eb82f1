"""Two domains without pairs: two generators and two critics in one game, held together by a cycle.

x and y are drawn apart; y is x turned by 30 degrees, and the nets are to find that turn. After Zhu et al. 2017,
Unpaired image-to-image translation using cycle-consistent adversarial networks, arXiv:1703.10593.
"""

import argparse
import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

import pyrogen
from pyrogen.base import Batch, Model, Objective, Player
from pyrogen.inference import LeastSquares, fit
from pyrogen.nets import mlp
from pyrogen.optim import Adam
from pyrogen.registry import choice, entry


@choice("objective")
class Cycle(Objective):
    """Each generator fools the critic of its target, and both together must bring every datum back.

    Args:
        weight: of E |F(G(x)) − x| + E |G(F(y)) − y|.
    """

    def __init__(self, weight: float = 10.0) -> None:
        self.weight = weight

    def players(self, model: "Translation") -> Sequence[Player]:
        loss, nets, adam = LeastSquares(), model.nets, Adam(lr=2e-4, betas=(0.5, 0.999))

        def generators(batch: Batch) -> Mapping[str, Tensor]:
            x, y = batch.x, batch.y
            to_y, to_x = nets["to_y"](x), nets["to_x"](y)
            cycle = (nets["to_x"](to_y) - x).abs().mean() + (nets["to_y"](to_x) - y).abs().mean()
            fooled = loss.generator(None, nets["critic_y"](to_y)) + loss.generator(None, nets["critic_x"](to_x))
            return {"loss": fooled + self.weight * cycle, "cycle": cycle.detach()}

        def critics(batch: Batch) -> Mapping[str, Tensor]:
            x, y = batch.x, batch.y
            of_x = loss.critic(nets["critic_x"](x), nets["critic_x"](nets["to_x"](y)))
            return {"loss": of_x + loss.critic(nets["critic_y"](y), nets["critic_y"](nets["to_y"](x)))}

        return [
            Player("critics", critics, [nets["critic_x"], nets["critic_y"]], adam),
            Player("generators", generators, [nets["to_x"], nets["to_y"]], adam),
        ]


class Translation(Model):
    """G: x → y and F: y → x, each with a critic of what it makes."""

    def __init__(self, x_shape: Sequence[int], hidden: Sequence[int]) -> None:
        super().__init__()
        self.x_shape, self.objective = torch.Size(x_shape), Cycle()
        ends = {"to_y": x_shape, "to_x": x_shape, "critic_x": (1,), "critic_y": (1,)}
        self.nets = nn.ModuleDict({name: mlp(x_shape, hidden, end) for name, end in ends.items()})

    @torch.no_grad()
    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        """F(y), what it makes of data of the second domain.

        Raises:
            ValueError: there is no y.
        """
        if y is None:
            raise ValueError("a translation makes x of y, and got none; pass y=... of the second domain.")
        return self.nets["to_x"](y[:n])


@entry("two-domains", reference="Zhu et al. 2017, arXiv:1703.10593", data="ring")
def two_domains(x_shape: Sequence[int] = (2,), hidden: Sequence[int] = (64, 64)) -> Translation:
    """Two generators and two critics between domains that were never paired."""
    return Translation(x_shape, hidden)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=60)
    options = parser.parse_args()
    torch.manual_seed(0)
    turn = math.pi / 6
    rotation = torch.tensor([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    # an ellipse off the origin, which can be turned into itself in one way only
    x, unpaired = (torch.randn(4000, 2) * torch.tensor([2.0, 0.5]) + torch.tensor([1.0, 0.0]) for _ in range(2))
    data = pyrogen.data.from_arrays(x, unpaired @ rotation.T, standardize=False)
    model = pyrogen.create("two-domains")
    run = fit(model, data, epochs=options.epochs, batch_size=128, validate=False)
    with torch.no_grad():
        error = (model.nets["to_y"](data.test.x) - data.test.x @ rotation.T).norm(dim=1).mean()
    print(
        f"cycle {run.history['train/generators/cycle'].iloc[-1]:.3f}; distance of G(x) from the hidden partner {error:.3f}"
    )


if __name__ == "__main__":
    main()
