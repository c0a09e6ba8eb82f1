"""What a critic was shown in earlier rounds, and is shown again."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn


class History(nn.Module):
    """A pool of generated data: each new one is, as often as not, put into it in exchange for an old one, which is shown.

    So a critic does not forget what it has found already, and the game swings less. Until the pool is full, data are put into
    it and shown themselves. Reference: Shrivastava et al. 2017, Learning from simulated and unsupervised images through
    adversarial training, arXiv:1612.07828, section 2.3.

    Args:
        like: one generated datum or more, by site, of which the shapes count.
        size: of the pool.
    """

    seen: Tensor

    def __init__(self, like: Mapping[str, Tensor], size: int) -> None:
        super().__init__()
        self.size = size
        self.register_buffer("seen", torch.zeros((), dtype=torch.long))
        for name, value in like.items():
            self.register_buffer(f"pool_{name}", value.new_zeros(size, *value.shape[1:]))

    @torch.no_grad()
    def forward(self, fake: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """As many data, ``(B, ...)`` by site, of which some are old; of more than the pool holds the rest are new."""
        fresh = next(iter(fake.values()))
        many = min(len(fresh), self.size)
        full = self.seen >= self.size
        # no look at the values: a recorded step goes both ways
        places = torch.rand(self.size, device=fresh.device).argsort()[:many]
        places = torch.where(full, places, (self.seen + torch.arange(many, device=fresh.device)) % self.size)
        kept = (torch.rand(many, device=fresh.device) < 0.5) & full  # new ones that are shown, and not put in
        shown = {}
        for name, value in fake.items():
            pool: Tensor = getattr(self, f"pool_{name}")
            new, old = value[:many].detach(), pool[places]
            wide = kept.view(-1, *[1] * (value.dim() - 1))
            pool[places] = torch.where(wide, old, new)
            shown[name] = torch.cat([torch.where(wide | ~full, new, old), value[many:].detach()])
        self.seen += many
        return shown
