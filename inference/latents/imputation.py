"""Hidden places of data that are drawn place by place, such as a gap in a sentence, told from what stands around them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from pyrogen.base import HasPosterior, Model
from pyrogen.capabilities import HasGaps
from pyrogen.distributions.autoregressive import Autoregressive
from pyrogen.inference.evidence.progress import track
from pyrogen.inference.evidence.weight_stream import WeightStream
from pyrogen.inference.latents.joint import placed
from pyrogen.inference.latents.walks import latent_prior
from pyrogen.inference.programs.contexts import evaluating, seeded
from pyrogen.inference.programs.door import verb
from pyrogen.memory import enough_memory
from pyrogen.seeds import derived

GUESSES = 8  # of the whole datum, whose codes tell where z may be
FROM_PRIOR = 0.2  # of the latents, so that no weight is without bound


@verb
def impute(
    model: Model,
    x: Any,
    seen: Tensor,
    y: Any = None,
    *,
    num_draws: int = 20,
    candidates: int = 500,
    seed: int = 0,
) -> xr.Dataset:
    """Hidden places of data from all seen ones, those after them too: p(x_hidden | x_seen), by importance resampling.

    Candidates take the hidden places from p(x_d | x_<d) in turn, and weigh Π p(x_d | x_<d) over the seen ones. With latents
    z ~ r(z), a mixture of the prior and of q(z|x̂) at guesses x̂ of the whole datum, and the weight has p(z) / r(z) in it. The
    mean of the weights is p(x_seen), without bias; draws are exact as the candidates grow, and ``ess`` says how many count.
    Where the order is one of chance, p is that of the orders in which the seen places come first, as of 'masked-diffusion':
    another law than that of all orders, unless the conditionals are those of one law.

    Args:
        model: that draws x place by place, as 'lstm-lm', 'vae-text', 'pixelcnn' or 'masked-diffusion'.
        x: whole data, ``(B, *x_shape)``; what is hidden of them is not read.
        seen: which places are, ``x_shape[1:]`` in bits.
        y: conditions.
        num_draws: of the hidden places.
        candidates: of which they are drawn.
        seed: of all random draws.

    Returns:
        ``draw`` over ``(sample, datum, element)``: whole data, the seen places as they are; over ``datum``, in nats:
        ``log_seen``, log p(x_seen) with ``mc_se``; ``ess`` of the candidates.

    Raises:
        ValueError: another model, nothing or all is seen, or fewer candidates than 2.

    Reference: Rubin 1987, on sampling importance resampling; of mixtures as proposals, Owen & Zhou 2000, Safe and effective
    importance sampling.
    """
    x, y = placed(model, x, y)
    if seen.shape != model.x_shape[1:] or seen.all() or not seen.any():
        raise ValueError(
            f"seen says of each of the places {tuple(model.x_shape[1:])} whether it is, some and not all; got "
            f"{tuple(seen.shape)} with {int(seen.sum())} seen."
        )
    if candidates < 2 or num_draws < 1:
        raise ValueError(f"candidates={candidates}, num_draws={num_draws}: needs 2 candidates or more, and 1 draw.")
    seen = seen.to(device=x.device, dtype=torch.bool)
    parts = []
    with (
        evaluating(model),
        torch.no_grad(),
        enough_memory("lower candidates, or give fewer data"),
        track(len(x), "filling gaps") as advance,
    ):
        for row in range(len(x)):
            with seeded(derived(seed, row)[0], model.device):
                one = None if y is None else y[row : row + 1]
                filled, log_w = _candidates(model, x[row : row + 1], seen, one, candidates)
                shares = torch.where(log_w.isfinite(), log_w, -torch.inf)
                if not shares.isfinite().any():
                    raise ValueError(
                        f"datum {row}: none of {candidates} candidates agrees with what is seen after the gap; raise "
                        "candidates."
                    )
                chosen = torch.multinomial(shares.softmax(0), num_draws, replacement=True)
            stream = WeightStream.of(shares.unsqueeze(1).cpu().numpy())
            told = stream.log_mean(), stream.standard_error(), stream.effective_sample_size()
            parts.append((filled[chosen].flatten(1).cpu().numpy(), *(float(found[0]) for found in told)))
            advance(1)
    drawn, log_seens, errors, ess = (np.stack(column) for column in zip(*parts, strict=True))
    return xr.Dataset(
        {
            "draw": (("sample", "datum", "element"), drawn.swapaxes(0, 1)),
            "log_seen": ("datum", log_seens),
            "mc_se": ("datum", errors),
            "ess": ("datum", ess),
        },
        coords={"datum": np.arange(len(x))},
        attrs={"candidates": candidates, "seed": seed, "unit": "nats per datum"},
    )


def _candidates(model: Model, x: Tensor, seen: Tensor, y: Tensor | None, n: int) -> tuple[Tensor, Tensor]:
    """``n`` whole data ``(n, *x_shape)``, and their log weights in float64."""
    if isinstance(model, HasGaps):
        filled, log_w = model.fill(x.expand(n, *x.shape[1:]), seen, None if y is None else y.expand(n, *y.shape[1:]))
        return filled, log_w.double()
    if not isinstance(model, HasPosterior):
        raise ValueError(
            f"gaps are filled place by place, and {type(model).__name__} does not draw x so; take 'lstm-lm', 'vae-text' or "
            "'masked-diffusion'."
        )
    prior = latent_prior(model, y)
    one = torch.Size() if prior.batch_shape else torch.Size([1])

    def drawn(k: int) -> Tensor:
        return prior.sample(torch.Size([k]) + one).flatten(0, 1)

    def told(k: int) -> Tensor | None:
        return None if y is None else y.expand(k, *y.shape[1:])

    guesses, log_w = _filled(model.decode(drawn(n), told(n)), x, seen, n)
    best = torch.multinomial(torch.where(log_w.isfinite(), log_w, -1e9).softmax(0), GUESSES, replacement=True)
    q = model.encode(guesses[best], told(GUESSES))
    of_prior = max(1, round(FROM_PRIOR * n))
    z = torch.cat([drawn(of_prior), q.sample((math.ceil((n - of_prior) / GUESSES),)).flatten(0, 1)[: n - of_prior]])
    log_p = prior.log_prob(z.unsqueeze(1) if prior.batch_shape else z).reshape(-1).double()
    near = q.log_prob(z.unsqueeze(1)).double().logsumexp(1) - math.log(GUESSES)
    share = of_prior / n
    log_r = torch.logaddexp(log_p + math.log(share), near + math.log1p(-share))
    filled, log_w = _filled(model.decode(z, told(n)), x, seen, n)
    return filled, log_w + log_p - log_r


def _filled(p: Any, x: Tensor, seen: Tensor, n: int) -> tuple[Tensor, Tensor]:
    if not isinstance(p, Autoregressive):
        raise ValueError(
            f"gaps are filled place by place, and here x is drawn all at once, from {type(p).__name__}; take a likelihood "
            "such as Autoregressive, or pyrogen.inference.complete."
        )
    known = [bool(seen[place.pixel]) for place in p.places]
    filled, log_w = p.fill(x.expand(n, *x.shape[1:]), known)
    return filled, log_w.double()
