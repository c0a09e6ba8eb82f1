"""The same models by hand, in plain PyTorch, as a careful user would write them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, linear, softplus


def layers(sizes: Sequence[int], activation: nn.Module | None = None) -> nn.Sequential:
    """Linear layers with an activation (ReLU) between them."""
    parts: list[nn.Module] = []
    for before, after in pairwise(sizes):
        parts += [nn.Linear(before, after), activation or nn.ReLU()]
    return nn.Sequential(*parts[:-1])


class HandVAE(nn.Module):
    """784-400-20, or other sizes, Bernoulli."""

    def __init__(self, pixels: int = 784, hidden: Sequence[int] = (400,), latent_size: int = 20) -> None:
        super().__init__()
        self.encoder = layers([pixels, *hidden, 2 * latent_size])
        self.decoder = layers([latent_size, *reversed(hidden), pixels])

    def copy(self, other: nn.Module) -> HandVAE:
        """Take the weights of a module that lists them in the same order."""
        with torch.no_grad():
            for mine, theirs in zip(self.parameters(), other.parameters(), strict=True):
                mine.copy_(theirs)
        return self


class HandConvVAE(HandVAE):
    """Three strided convolutions each way, for images of 32 × 32, Bernoulli."""

    def __init__(self, latent_size: int = 20, width: int = 32) -> None:
        super().__init__(1, (), 1)
        halve = {"kernel_size": 4, "stride": 2, "padding": 1}
        last = 4 * width
        self.encoder = nn.Sequential(
            nn.Conv2d(1, width, **halve),
            nn.ReLU(),
            nn.Conv2d(width, 2 * width, **halve),
            nn.ReLU(),
            nn.Conv2d(2 * width, last, **halve),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(16 * last, 2 * latent_size),
        )
        self.decoder = nn.Sequential(
            nn.Linear(latent_size, 16 * last),
            nn.ReLU(),
            nn.Unflatten(1, (last, 4, 4)),
            nn.ConvTranspose2d(last, 2 * width, **halve),
            nn.ReLU(),
            nn.ConvTranspose2d(2 * width, width, **halve),
            nn.ReLU(),
            nn.ConvTranspose2d(width, 1, **halve),
        )


def train(net: HandVAE, raw: Tensor, epochs: int, batch_size: int, lr: float, top: int = 255, seed: int = 0) -> float:
    """Epochs over grey values of 0 to ``top``, binarized anew in every batch; the last epoch's mean loss."""
    torch.manual_seed(seed)
    optimizer = torch.optim.Adam(net.parameters(), lr=lr, fused=True)
    net.train()
    for _ in range(epochs):
        total = torch.zeros(())
        for index in torch.randperm(len(raw)).split(batch_size):
            x = torch.bernoulli(raw[index].float() / top)
            mean, log_variance = net.encoder(x).chunk(2, -1)
            z = mean + (0.5 * log_variance).exp() * torch.randn_like(mean)
            reconstruction = binary_cross_entropy_with_logits(net.decoder(z), x, reduction="sum")
            kl = -0.5 * (1 + log_variance - mean.square() - log_variance.exp()).sum()
            loss = (reconstruction + kl) / len(x)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.detach() * len(x)
        average = total.item() / len(raw)
    return average


class HandGAN(nn.Module):
    """Points from points by three hidden layers of 128, and a critic of the same size."""

    latent_size = 2

    def __init__(self) -> None:
        super().__init__()
        self.generator = layers([2, 128, 128, 128, 2])
        self.critic = layers([2, 128, 128, 128, 1], nn.LeakyReLU(0.2))


class HandDCGAN(nn.Module):
    """Images of 28 × 28 by two strided convolutions each way, with batch norm."""

    latent_size = 64

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        stride = {"kernel_size": 4, "stride": 2, "padding": 1}
        wide = 2 * width
        self.generator = nn.Sequential(
            nn.Linear(64, wide * 49),
            nn.Unflatten(1, (wide, 7, 7)),
            nn.BatchNorm2d(wide),
            nn.ReLU(),
            nn.ConvTranspose2d(wide, width, **stride),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.ConvTranspose2d(width, 1, **stride),
            nn.Sigmoid(),
        )
        self.critic = nn.Sequential(
            nn.Conv2d(1, width, **stride),
            nn.LeakyReLU(0.2),
            nn.Conv2d(width, wide, **stride),
            nn.BatchNorm2d(wide),
            nn.LeakyReLU(0.2),
            nn.Flatten(),
            nn.Linear(wide * 49, 1),
        )


class HandBlock(nn.Module):
    """h + f(h) of two convolutions."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        layers = [nn.Conv2d(channels, channels, 3, padding=1), nn.InstanceNorm2d(channels, affine=True)]
        more = [nn.Conv2d(channels, channels, 3, padding=1), nn.InstanceNorm2d(channels, affine=True)]
        self.net = nn.Sequential(*layers, nn.ReLU(), *more)

    def forward(self, h: Tensor) -> Tensor:
        return h + self.net(h)


class HandCycle(nn.Module):
    """Two translations of pictures of 32 × 32, and two critics."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        stride = {"kernel_size": 4, "stride": 2, "padding": 1}
        wide = 2 * width

        def translator() -> nn.Module:
            down = [nn.Conv2d(3, width, **stride), nn.InstanceNorm2d(width, affine=True), nn.ReLU()]
            down += [nn.Conv2d(width, wide, **stride), nn.InstanceNorm2d(wide, affine=True), nn.ReLU()]
            up = [nn.ConvTranspose2d(wide, width, **stride), nn.InstanceNorm2d(width, affine=True), nn.ReLU()]
            return nn.Sequential(*down, HandBlock(wide), *up, nn.ConvTranspose2d(width, 3, **stride), nn.Sigmoid())

        def critic() -> nn.Module:
            layers = [nn.Conv2d(3, width, **stride), nn.LeakyReLU(0.2), nn.Conv2d(width, wide, **stride)]
            layers += [nn.LeakyReLU(0.2), nn.Conv2d(wide, 2 * wide, **stride), nn.LeakyReLU(0.2)]
            return nn.Sequential(*layers, nn.Flatten(), nn.Linear(2 * wide * 16, 1))

        self.generator = nn.ModuleDict({"x": translator(), "y": translator()})
        self.critic = nn.ModuleDict({"x": critic(), "y": critic()})


Game = HandGAN | HandDCGAN


def train_gan(net: Game, data: Tensor, epochs: int, batch_size: int, lr: float, reuse: bool = False) -> None:
    """Epochs of a critic's and a generator's step a batch, by the non-saturating loss, on one fake if it is reused."""
    critic, generator = _adams(net, lr, (0.5, 0.999))
    for _ in range(epochs):
        for index in torch.randperm(len(data)).split(batch_size):
            x = data[index]
            fake = net.generator(_noise(net, x)) if reuse else _fake(net, x)
            loss = softplus(-net.critic(x)).mean() + softplus(net.critic(fake.detach())).mean()
            critic.zero_grad()
            loss.backward()
            critic.step()
            net.critic.requires_grad_(False)
            loss = softplus(-net.critic(fake if reuse else net.generator(_noise(net, x)))).mean()
            generator.zero_grad()
            loss.backward()
            generator.step()
            net.critic.requires_grad_(True)


def train_cycle(net: HandCycle, x: Tensor, y: Tensor, epochs: int, batch_size: int, lr: float) -> None:
    """Epochs of a step of both critics and one of both translations a batch: least squares, a cycle and an identity term."""
    critic, generator = _adams(net, lr, (0.5, 0.999))
    to, judge = net.generator, net.critic
    for _ in range(epochs):
        for index in torch.randperm(len(x)).split(batch_size):
            real = {"x": x[index], "y": y[index]}
            fake = {"x": to["x"](real["y"]), "y": to["y"](real["x"])}
            loss = sum(
                (judge[k](real[k]) - 1).square().mean() + judge[k](fake[k].detach()).square().mean() for k in "xy"
            )
            critic.zero_grad()
            loss.backward()
            critic.step()
            net.critic.requires_grad_(False)
            loss = sum((judge[k](fake[k]) - 1).square().mean() for k in "xy")
            back = {"x": to["x"](fake["y"]), "y": to["y"](fake["x"])}
            loss = loss + sum(10 * (back[k] - real[k]).abs().mean() for k in "xy")
            loss = loss + sum(5 * (to[k](real[k]) - real[k]).abs().mean() for k in "xy")
            generator.zero_grad()
            loss.backward()
            generator.step()
            net.critic.requires_grad_(True)


def train_wgan_gp(net: Game, data: Tensor, epochs: int, batch_size: int, lr: float, steps: int = 5) -> None:
    """Epochs of five critic's steps and a generator's step a batch, by the Wasserstein loss with a gradient penalty of 10."""
    critic, generator = _adams(net, lr, (0.0, 0.9))
    for _ in range(epochs):
        for index in torch.randperm(len(data)).split(batch_size):
            x = data[index]
            for _ in range(steps):
                fake = _fake(net, x)
                share = torch.rand(len(x), *[1] * (x.dim() - 1))
                between = (share * x + (1 - share) * fake).requires_grad_()
                (slope,) = torch.autograd.grad(net.critic(between).sum(), between, create_graph=True)
                penalty = 10 * (slope.flatten(1).norm(dim=1) - 1).square().mean()
                loss = net.critic(fake).mean() - net.critic(x).mean() + penalty
                critic.zero_grad()
                loss.backward()
                critic.step()
            net.critic.requires_grad_(False)
            loss = -net.critic(net.generator(_noise(net, x))).mean()
            generator.zero_grad()
            loss.backward()
            generator.step()
            net.critic.requires_grad_(True)


def _adams(net: Game, lr: float, betas: tuple[float, float]) -> tuple[torch.optim.Adam, torch.optim.Adam]:
    critic, generator = (
        torch.optim.Adam(part.parameters(), lr=lr, betas=betas, fused=True) for part in (net.critic, net.generator)
    )
    return critic, generator


def _noise(net: Game, x: Tensor) -> Tensor:
    return torch.randn(len(x), net.latent_size)


@torch.no_grad()
def _fake(net: Game, x: Tensor) -> Tensor:
    fake: Tensor = net.generator(_noise(net, x))
    return fake


class HandRBM(nn.Module):
    """784 visible and 500 hidden units."""

    def __init__(self, visible: int = 784, hidden: int = 500) -> None:
        super().__init__()
        self.weight = nn.Parameter(0.01 * torch.randn(hidden, visible))
        self.b, self.c = nn.Parameter(torch.zeros(visible)), nn.Parameter(torch.zeros(hidden))

    def free_energy(self, x: Tensor) -> Tensor:
        """(B,)."""
        return -x @ self.b - softplus(linear(x, self.weight, self.c)).sum(1)


def train_rbm(net: HandRBM, raw: Tensor, epochs: int, batch_size: int, lr: float) -> None:
    """Epochs of CD-1 over grey values of 0 to 255, binarized anew in every batch."""
    optimizer = torch.optim.Adam(net.parameters(), lr=lr, fused=True)
    for _ in range(epochs):
        for index in torch.randperm(len(raw)).split(batch_size):
            x = torch.bernoulli(raw[index].float() / 255)
            with torch.no_grad():
                h = torch.bernoulli(torch.sigmoid(linear(x, net.weight, net.c)))
                fantasy = torch.bernoulli(torch.sigmoid(h @ net.weight + net.b))
            loss = net.free_energy(x).mean() - net.free_energy(fantasy).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


def train_rbm_persistent(
    net: HandRBM, bits: Tensor, epochs: int, batch_size: int, lr: float, chains: int = 100
) -> None:
    """Epochs of persistent CD over bits."""
    optimizer = torch.optim.Adam(net.parameters(), lr=lr, fused=True)
    fantasy = torch.bernoulli(torch.full((chains, net.weight.shape[1]), 0.5))
    for _ in range(epochs):
        for index in torch.randperm(len(bits)).split(batch_size):
            x = bits[index]
            with torch.no_grad():
                h = torch.bernoulli(torch.sigmoid(linear(fantasy, net.weight, net.c)))
                fantasy = torch.bernoulli(torch.sigmoid(h @ net.weight + net.b))
            loss = net.free_energy(x).mean() - net.free_energy(fantasy).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


@torch.no_grad()
def gibbs(net: HandRBM, x: Tensor, steps: int) -> Tensor:
    """So many transitions of chains, and nothing else."""
    for _ in range(steps):
        h = torch.bernoulli(torch.sigmoid(linear(x, net.weight, net.c)))
        x = torch.bernoulli(torch.sigmoid(h @ net.weight + net.b))
    return x


@torch.no_grad()
def iwae(net: HandVAE, x: Tensor, k: int, data: int = 10, samples: int = 100, seed: int = 0) -> Tensor:
    """IWAE(k) of binary rows ``(N, 784)``: so many data and samples decoded at once, weights in float64."""
    torch.manual_seed(seed)
    net.eval()
    scores = []
    for some in x.split(data):
        mean, log_variance = net.encoder(some).chunk(2, -1)
        scale = (0.5 * log_variance).exp()
        weights = []
        for start in range(0, k, samples):
            eps = torch.randn(min(samples, k - start), *mean.shape)
            z = mean + scale * eps
            logits = net.decoder(z)
            log_x = -binary_cross_entropy_with_logits(logits, some.expand_as(logits), reduction="none").sum(-1)
            log_ratio = 0.5 * (eps.square() - z.square()).sum(-1) + 0.5 * log_variance.sum(-1)
            weights.append((log_x + log_ratio).double())
        scores.append(torch.cat(weights).logsumexp(0) - math.log(k))
    return torch.cat(scores)
