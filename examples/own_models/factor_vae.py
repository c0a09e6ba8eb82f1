"""FactorVAE as a term beside the ELBO: the total correlation of the codes, told by a critic that the term brings along.

Kim & Mnih 2018, Disentangling by factorising, arXiv:1802.05983.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

import pyrogen
from pyrogen.base import Batch, Objective, Player
from pyrogen.inference import ELBO, fit
from pyrogen.models.vae.vae import VAE
from pyrogen.nets import mlp
from pyrogen.optim import Adam
from pyrogen.registry import choice


@choice("objective")
@dataclass(frozen=True)
class TotalCorrelation(Objective):
    """KL(q(z) ‖ Πⱼ q(zⱼ)) by the density ratio of codes to codes whose coordinates were shuffled over the batch.

    The encoder pays it; a critic, which belongs to this term, learns the ratio.
    """

    hidden: Sequence[int] = (64, 64)

    def players(self, model: VAE) -> Sequence[Player]:
        critic = mlp((model.latent_size,), self.hidden, (2,)).to(model.device)

        def charge(batch: Batch) -> Mapping[str, Tensor]:
            joint, product = critic(model.encode(batch.x).rsample()).unbind(-1)
            return {"loss": (joint - product).mean()}

        def ratio(batch: Batch) -> Mapping[str, Tensor]:
            z = model.encode(batch.x).rsample().detach()
            shuffled = torch.stack([column[torch.randperm(len(z), device=z.device)] for column in z.unbind(1)], 1)
            side = torch.arange(2, device=z.device).repeat_interleave(len(z))
            return {"loss": cross_entropy(critic(torch.cat([z, shuffled])), side)}

        return [
            Player("total_correlation", charge, [model.encoder]),
            Player("ratio", ratio, [critic], Adam(lr=1e-3, betas=(0.5, 0.9))),
        ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=100)
    options = parser.parse_args()
    for objective in (ELBO(), ELBO() + 10 * TotalCorrelation()):
        torch.manual_seed(0)
        model, data = (
            pyrogen.create("vae", x_shape=(1, 8, 8), latent_size=6, hidden=(128,)),
            pyrogen.data.load("digits"),
        )
        fit(model, data, objective, epochs=options.epochs, batch_size=128)
        with torch.no_grad():
            codes = model.encode(data.test.x).sample().T
        off = torch.corrcoef(codes) - torch.eye(len(codes))
        print(f"{objective}: root mean square correlation of two codes {off.square().sum().div(30).sqrt():.3f}")


if __name__ == "__main__":
    main()
