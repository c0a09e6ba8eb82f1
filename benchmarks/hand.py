"""The same VAE by hand, in plain PyTorch, as a careful user would write it."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits


class HandVAE(nn.Module):
    """784-400-20, Bernoulli."""

    def __init__(self, pixels: int = 784, hidden: int = 400, latent_size: int = 20) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(pixels, hidden), nn.ReLU(), nn.Linear(hidden, 2 * latent_size))
        self.decoder = nn.Sequential(nn.Linear(latent_size, hidden), nn.ReLU(), nn.Linear(hidden, pixels))

    def copy(self, other: nn.Module) -> HandVAE:
        """Take the weights of a module that lists them in the same order."""
        with torch.no_grad():
            for mine, theirs in zip(self.parameters(), other.parameters(), strict=True):
                mine.copy_(theirs)
        return self


def train(net: HandVAE, raw: Tensor, epochs: int, batch_size: int, lr: float, seed: int = 0) -> float:
    """Epochs over grey values ``(N, 784)`` of 0 to 255, binarized anew in every batch; the last epoch's mean loss."""
    torch.manual_seed(seed)
    optimizer = torch.optim.Adam(net.parameters(), lr=lr, fused=True)
    net.train()
    for _ in range(epochs):
        total = torch.zeros(())
        for index in torch.randperm(len(raw)).split(batch_size):
            x = torch.bernoulli(raw[index].float() / 255)
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
