"""A diffusion by hand, in plain PyTorch, as a careful user would write it: one step a datum, a net that says the velocity."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

LOW, HIGH, WAVES = -8.0, 5.0, 16


class Denoiser(nn.Module):
    """Layers with skips, each told the level of noise anew, on x and on sines and cosines of x."""

    def __init__(self, size: int, width: int = 128, depth: int = 3, octaves: int = 6) -> None:
        super().__init__()
        self.register_buffer("octaves", 2.0 ** torch.arange(octaves).float().unsqueeze(1))
        self.register_buffer("speeds", torch.logspace(0, math.log10(200.0), WAVES))
        self.first = nn.Linear((1 + 2 * octaves) * size, width)
        self.told = nn.ModuleList(nn.Linear(2 * WAVES, width) for _ in range(depth))
        self.layers = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))
        self.last = nn.Linear(width, size)

    def forward(self, z: Tensor, level: Tensor) -> Tensor:
        """``(N, size)`` and levels ``(N, 1)`` to ``(N, size)``."""
        angles, waves = level * self.speeds, (z.unsqueeze(1) * self.octaves).flatten(1)
        said = torch.cat([angles.sin(), angles.cos()], 1)
        h = self.first(torch.cat([z, waves.sin(), waves.cos()], 1))
        for layer, told in zip(self.layers, self.told, strict=True):
            h = h + layer(silu(h + told(said)))
        return self.last(silu(h))


def train(net: Denoiser, x: Tensor, epochs: int, batch_size: int, lr: float, steps: int = 50) -> None:
    """Epochs over rows ``(N, size)`` of the bound: the step that was drawn, the prior and the reconstruction."""
    optimizer = torch.optim.Adam(net.parameters(), lr=lr, fused=True)
    gammas = torch.linspace(LOW, HIGH, steps + 1)
    alphas, sigmas = torch.sigmoid(-gammas).sqrt(), torch.sigmoid(gammas).sqrt()
    weights = 0.5 * steps * (torch.exp(-gammas[:-1]) - torch.exp(-gammas[1:]))
    size = x.shape[1]
    for _ in range(epochs):
        for index in torch.randperm(len(x)).split(batch_size):
            u = x[index]
            i = ((torch.rand(()) + torch.arange(len(u)) / len(u)) % 1 * steps).long().clamp(max=steps - 1) + 1
            alpha, sigma = alphas[i].unsqueeze(1), sigmas[i].unsqueeze(1)
            z = alpha * u + sigma * torch.randn_like(u)
            # u = α z − σ v
            seen = alpha * z - sigma * net(z, (gammas[i].unsqueeze(1) - LOW) / (HIGH - LOW))
            diffusion = (weights[i - 1] * (u - seen).square().sum(1)).mean()
            last = sigmas[-1] ** 2
            prior = 0.5 * ((alphas[-1] * u).square().sum(1) + size * (last - last.log() - 1)).mean()
            ratio = sigmas[0] / alphas[0]
            error = torch.randn_like(u)  # x = z₀ / α₀ + (σ₀ / α₀) ε
            reconstruction = 0.5 * error.square().sum(1).mean() + size * (ratio.log() + 0.5 * math.log(2 * math.pi))
            loss = prior + diffusion + reconstruction
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
