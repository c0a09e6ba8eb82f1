"""The SAGAN and the StyleGAN at 32 × 32 pixels, as one would write them by hand with torch alone."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, interpolate, leaky_relu, linear, relu, softplus
from torch.nn.utils.parametrizations import spectral_norm


class Attention(nn.Module):
    """What a position finds at all others, added with a learned strength."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = max(1, channels // 8)
        self.key, self.query, self.value = (nn.Conv2d(channels, inner, 1, bias=False) for _ in range(3))
        self.back = nn.Conv2d(inner, channels, 1, bias=False)
        self.strength = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        key, query, value = self.key(x).flatten(2), self.query(x).flatten(2), self.value(x).flatten(2)
        found = torch.softmax(query.transpose(1, 2) @ key, -1) @ value.transpose(1, 2)
        return x + self.strength * self.back(found.transpose(1, 2).unflatten(2, x.shape[2:]))


class HandSAGAN(nn.Module):
    """Three doublings from 4 × 4 pixels and three halvings to it, attention at 16 × 16, all under spectral norms."""

    def __init__(self, width: int, latent_size: int = 64) -> None:
        super().__init__()
        self.latent_size = latent_size
        stride = {"kernel_size": 4, "stride": 2, "padding": 1}
        a, b, c = 4 * width, 2 * width, width
        self.generator = nn.Sequential(
            nn.Linear(latent_size, a * 16),
            nn.Unflatten(1, (a, 4, 4)),
            nn.BatchNorm2d(a),
            nn.ReLU(),
            nn.ConvTranspose2d(a, b, **stride),
            nn.BatchNorm2d(b),
            nn.ReLU(),
            nn.ConvTranspose2d(b, c, **stride),
            nn.BatchNorm2d(c),
            nn.ReLU(),
            Attention(c),
            nn.ConvTranspose2d(c, 3, **stride),
            nn.Sigmoid(),
        )
        self.critic = nn.Sequential(
            nn.Conv2d(3, c, **stride),
            nn.LeakyReLU(0.2),
            Attention(c),
            nn.Conv2d(c, b, **stride),
            nn.LeakyReLU(0.2),
            nn.Conv2d(b, a, **stride),
            nn.LeakyReLU(0.2),
            nn.Flatten(),
            nn.Linear(a * 16, 1),
        )
        for layer in list(self.modules()):
            if isinstance(layer, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)):
                spectral_norm(layer, n_power_iterations=3)


def train_sagan(net: HandSAGAN, data: Tensor, epochs: int, batch_size: int) -> None:
    """Epochs of a critic's and a generator's step a batch, by the hinge loss at two rates."""
    rates = ((net.critic, 4e-4), (net.generator, 1e-4))
    critic, generator = (torch.optim.Adam(p.parameters(), lr=lr, betas=(0.0, 0.9), fused=True) for p, lr in rates)
    for _ in range(epochs):
        for index in torch.randperm(len(data)).split(batch_size):
            x = data[index]
            with torch.no_grad():
                fake = net.generator(torch.randn(len(x), net.latent_size))
            loss = relu(1 - net.critic(x)).mean() + relu(1 + net.critic(fake)).mean()
            critic.zero_grad()
            loss.backward()
            critic.step()
            net.critic.requires_grad_(False)
            loss = -net.critic(net.generator(torch.randn(len(x), net.latent_size))).mean()
            generator.zero_grad()
            loss.backward()
            generator.step()
            net.critic.requires_grad_(True)


class Scaled(nn.Module):
    """A linear layer or a convolution of weights that are scaled when they are used."""

    def __init__(
        self, before: int, after: int, size: int = 0, bias: bool = True, gain: float = 2**0.5, rate: float = 1
    ):
        super().__init__()
        shape = (after, before, size, size) if size else (after, before)
        self.weight = nn.Parameter(torch.randn(shape) / rate)
        self.bias = nn.Parameter(torch.zeros(after)) if bias else None
        self.size, self.scale = size, rate * gain / math.sqrt(self.weight[0].numel())

    def forward(self, x: Tensor) -> Tensor:
        weight = self.scale * self.weight
        return conv2d(x, weight, self.bias, padding=self.size // 2) if self.size else linear(x, weight, self.bias)


class Layer(nn.Module):
    """A convolution with noise, whose features are normalized and take the scale and shift of a style."""

    def __init__(self, before: int, after: int, style: int, doubled: bool) -> None:
        super().__init__()
        self.conv, self.affine = Scaled(before, after, 3, bias=False), Scaled(style, 2 * after)
        self.bias, self.strength = nn.Parameter(torch.zeros(after, 1, 1)), nn.Parameter(torch.zeros(()))
        self.doubled = doubled

    def forward(self, h: Tensor, style: Tensor) -> Tensor:
        y = self.conv(interpolate(h, scale_factor=2.0) if self.doubled else h)
        y = leaky_relu(y + self.strength * torch.randn_like(y[:, :1]) + self.bias, 0.2)
        scale, shift = self.affine(style)[..., None, None].chunk(2, 1)
        y = y - y.mean((2, 3), keepdim=True)
        return (1 + scale) * y * (y.square().mean((2, 3), keepdim=True) + 1e-8).rsqrt() + shift


class HandStyled(nn.Module):
    """A mapping of four layers, and eight styled ones from 4 × 4 to 32 × 32 pixels; styles are mixed."""

    def __init__(self, width: int, latent_size: int = 64, style: int = 64) -> None:
        super().__init__()
        sizes = [latent_size, *[style] * 4]
        steps = [m for a, b in pairwise(sizes) for m in (Scaled(a, b, rate=0.01), nn.LeakyReLU(0.2))]
        self.mapping = nn.Sequential(*steps)
        channels = [8 * width, 4 * width, 2 * width, width]
        self.start = nn.Parameter(torch.randn(channels[0], 4, 4))
        pairs = list(pairwise([channels[0], *channels]))
        both = [(Layer(a, b, style, k > 0), Layer(b, b, style, False)) for k, (a, b) in enumerate(pairs)]
        self.layers = nn.ModuleList([layer for two in both for layer in two])
        self.last = Scaled(width, 3, 1, gain=1.0)

    def synthesize(self, styles: Tensor) -> Tensor:
        h = self.start.expand(len(styles), -1, -1, -1)
        for number, layer in enumerate(self.layers):
            h = layer(h, styles[:, number])
        return torch.sigmoid(self.last(h))

    def style(self, z: Tensor) -> Tensor:
        return self.mapping(z * (z.square().mean(1, keepdim=True) + 1e-8).rsqrt())

    def forward(self, z: Tensor) -> Tensor:
        w, count = self.style(z), len(self.layers)
        first = torch.randint(1, count, (len(w), 1))
        second = (torch.rand(len(w), 1) < 0.9) & (torch.arange(count) >= first)
        return self.synthesize(torch.where(second[:, :, None], w.roll(1, 0)[:, None], w[:, None]))


class HandStyleGAN(nn.Module):
    """The styled generator, and a critic of three strided convolutions that is told how its batch deviates."""

    def __init__(self, width: int, critic_width: int, latent_size: int = 64) -> None:
        super().__init__()
        self.latent_size, self.generator = latent_size, HandStyled(width, latent_size)
        stride = {"kernel_size": 4, "stride": 2, "padding": 1}
        c = critic_width
        convs = (nn.Conv2d(3, c, **stride), nn.Conv2d(c, 2 * c, **stride), nn.Conv2d(2 * c, 4 * c, **stride))
        self.features = nn.Sequential(*(m for conv in convs for m in (conv, nn.LeakyReLU(0.2))), nn.Flatten())
        self.head = nn.Linear(64 * c + 1, 1)
        self.register_buffer("length", torch.zeros(()))

    def criticize(self, x: Tensor) -> Tensor:
        h = self.features(x)
        deviation = (h.var(0, correction=0) + 1e-8).sqrt().mean()
        return self.head(torch.cat([h, deviation.expand(len(h), 1)], 1)).squeeze(1)


def train_stylegan(net: HandStyleGAN, data: Tensor, epochs: int, batch_size: int, every: int = 8) -> None:
    """Epochs of two steps a batch, by the logistic loss; in every eighth with the slope at data and the lengths of paths."""
    judging = [*net.features.parameters(), *net.head.parameters()]
    lazy = every / (every + 1)
    critic = torch.optim.Adam(judging, lr=2e-3 * lazy, betas=(0.0, 0.99**lazy), fused=True)
    generator = torch.optim.Adam(net.generator.parameters(), lr=2e-3, betas=(0.0, 0.99), fused=True)
    step = 0
    for _ in range(epochs):
        for index in torch.randperm(len(data)).split(batch_size):
            x, turn = data[index], step % every == 0
            with torch.no_grad():
                fake = net.generator(torch.randn(len(x), net.latent_size))
            loss = softplus(-net.criticize(x)).mean() + softplus(net.criticize(fake)).mean()
            if turn:
                real = x.detach().requires_grad_()
                (slope,) = torch.autograd.grad(net.criticize(real).sum(), real, create_graph=True)
                loss = loss + every * 5 * slope.flatten(1).square().sum(1).mean()
            critic.zero_grad()
            loss.backward()
            critic.step()
            for p in judging:
                p.requires_grad_(False)
            loss = softplus(-net.criticize(net.generator(torch.randn(len(x), net.latent_size)))).mean()
            if turn:
                loss = loss + 2 * every * _paths(net, len(x) // 2)
            generator.zero_grad()
            loss.backward()
            generator.step()
            for p in judging:
                p.requires_grad_(True)
            step += 1


def _paths(net: HandStyleGAN, n: int) -> Tensor:
    made = net.generator
    styles = made.style(torch.randn(n, net.latent_size)).unsqueeze(1).expand(-1, len(made.layers), -1)
    x = made.synthesize(styles)
    (slope,) = torch.autograd.grad((x * torch.randn_like(x) / 32).sum(), styles, create_graph=True)
    lengths = slope.square().sum(2).mean(1).sqrt()
    net.length.lerp_(lengths.detach().mean(), 0.01)
    return (lengths - net.length).square().mean()
