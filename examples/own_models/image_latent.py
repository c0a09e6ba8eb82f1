"""A VAE whose latents are a small image: z of shape (4, 2, 2), with convolutions on both sides."""

import argparse
from collections.abc import Sequence

import pyro
import pyro.distributions as dist
import torch
from torch import Tensor, nn

import pyrogen
from pyrogen.base import HasPosterior, Pair, announce
from pyrogen.inference import ELBO, IWAE, fit, log_evidence, summarize
from pyrogen.nets import BatchDims
from pyrogen.registry import entry


class ImageLatentVAE(Pair, HasPosterior):
    """z ~ N(0, I) on a grid, x ~ Bernoulli(deconvolution(z)), q(z|x) = N(μ(x), σ²(x)) on the same grid."""

    kinds = ("binary",)

    def __init__(self, x_shape: Sequence[int], channels: int) -> None:
        super().__init__()
        self.x_shape, self.objective = torch.Size(x_shape), ELBO()
        self.latent_shape = torch.Size([channels, x_shape[1] // 4, x_shape[2] // 4])
        down = nn.Sequential(nn.Conv2d(x_shape[0], 32, 4, 2, 1), nn.ReLU(), nn.Conv2d(32, 2 * channels, 4, 2, 1))
        up = nn.Sequential(
            nn.ConvTranspose2d(channels, 32, 4, 2, 1), nn.ReLU(), nn.ConvTranspose2d(32, x_shape[0], 4, 2, 1)
        )
        parameters = torch.Size([2 * channels, *self.latent_shape[1:]])
        self.encoder = BatchDims(down, self.x_shape, parameters, "encoder")
        self.decoder = BatchDims(up, self.latent_shape, self.x_shape, "decoder")

    def prior(self) -> dist.Distribution:
        """N(0, I) on the grid."""
        zeros = torch.zeros(self.latent_shape, device=self.device)
        return dist.Normal(zeros, torch.ones_like(zeros)).to_event(3)

    def model(self, x: Tensor, y: Tensor | None = None) -> None:
        """p(z) p(x|z)."""
        announce(self)
        with pyro.plate("datum", x.shape[0], dim=-1):
            z = pyro.sample("z", self.prior())
            pyro.sample("x", self.decode(z), obs=x)

    def guide(self, x: Tensor, y: Tensor | None = None) -> None:
        """q(z|x)."""
        announce(self)
        with pyro.plate("datum", x.shape[0], dim=-1):
            pyro.sample("z", self.encode(x))

    def encode(self, x: Tensor, y: Tensor | None = None) -> dist.Distribution:
        """q(z|x)."""
        mean, log_variance = self.encoder(x).chunk(2, -3)
        return dist.Normal(mean, (log_variance / 2).exp()).to_event(3)

    def decode(self, z: Tensor, y: Tensor | None = None) -> dist.Distribution:
        """p(x|z)."""
        return dist.Bernoulli(logits=self.decoder(z)).to_event(3)

    @torch.no_grad()
    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        """z from the prior, x from p(x|z)."""
        return self.decode(self.prior().sample((n,))).sample()


@entry("vae-image-latent", reference="Razavi et al. 2019, arXiv:1906.00446, for grids of latents", data="digits")
def vae_image_latent(x_shape: Sequence[int], channels: int = 4) -> ImageLatentVAE:
    """A VAE whose latents are a small image."""
    return ImageLatentVAE(x_shape, channels)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=40)
    options = parser.parse_args()
    torch.manual_seed(0)
    data = pyrogen.data.load("digits")
    model = pyrogen.create("vae-image-latent", x_shape=data.x_shape)
    fit(model, data, epochs=options.epochs, batch_size=64)
    print(f"codes of shape {tuple(model.code(data.test.x[:5]).shape)}")
    print(summarize(log_evidence(model, data.test.take(100), IWAE(500))))


if __name__ == "__main__":
    main()
