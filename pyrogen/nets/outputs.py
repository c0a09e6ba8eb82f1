"""What people's networks return, as the one tensor that a head reads."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

MEANS = ("mean", "mu", "loc", "z_mean", "z_mu", "z_loc", "embedding")
# what log σ² is made from, under the names in use
SPREADS: dict[str, Callable[[Tensor], Tensor]] = {
    **dict.fromkeys(
        ("log_variance", "log_var", "logvar", "z_log_var", "z_logvar", "log_covariance", "log_sigma2"), lambda t: t
    ),
    **dict.fromkeys(("log_scale", "log_std", "logstd", "log_sigma"), lambda t: 2 * t),
    **dict.fromkeys(("scale", "std", "sigma", "z_scale", "z_std"), lambda t: 2 * t.log()),
    **dict.fromkeys(("variance", "var"), torch.log),
}
# what decoders of probabilities end in
UNCHANGED = ("View", "Reshape", "Clone", "queeze", "Permute", "Transpose", "Copy", "Slice")
BOUNDED = {"sigmoid": "0 and 1", "hardsigmoid": "0 and 1", "softmax": "0 and 1", "tanh": "−1 and 1"}
ALONE = ("reconstruction", "logits", "x_hat", "recon", "embedding")


def as_tensor(outputs: Any, role: str, outputs_shape: torch.Size, pair: bool) -> Tensor:
    """The output of a network as a tensor: itself, the one tensor in a container, or a mean and log variance side by side.

    Args:
        outputs: what the network returned: a tensor, tuple, list, mapping, named tuple, dataclass, or normal distribution.
        role: what to call the network in an error.
        outputs_shape: shape of one output that is asked for.
        pair: whether it is a mean and a log variance, each half of it; a pair without names is read in this order.

    Raises:
        ValueError: anything else; the sentence shows what is asked for.
    """
    if isinstance(outputs, Tensor):
        return outputs
    found = _pair(outputs, role) if pair else None
    if found is not None and all(t[:1].numel() * 2 == outputs_shape.numel() for t in found):
        return torch.cat([t.flatten(1) for t in found], -1)
    alone = None if found is not None else _alone(outputs)
    if alone is not None:
        return alone
    shape = ", ".join(map(str, outputs_shape))
    half = outputs_shape.numel() // 2
    apart = f", or a pair (mean, log_variance) of shape (N, {half}) each" if pair else ""
    raise ValueError(f"the {role} returned {_words(outputs)}; expected one tensor of shape (N, {shape}){apart}.")


def _named(outputs: Any) -> Mapping[str, Any] | None:
    if isinstance(outputs, Mapping):
        return outputs
    if hasattr(outputs, "_asdict"):
        fields: Mapping[str, Any] = outputs._asdict()
        return fields
    if dataclasses.is_dataclass(outputs) and not isinstance(outputs, type):
        return vars(outputs)
    return None


def _pair(outputs: Any, role: str) -> tuple[Tensor, Tensor] | None:
    """Mean and log variance, where the output has them; refuse a pair without names whose second is made positive."""
    if isinstance(outputs, torch.distributions.Independent):
        outputs = outputs.base_dist
    if isinstance(outputs, torch.distributions.Normal):
        return outputs.loc, 2 * outputs.scale.log()
    named = _named(outputs)
    if named is not None:
        mean = next((named[name] for name in MEANS if isinstance(named.get(name), Tensor)), None)
        spread = next(
            (make(named[name]) for name, make in SPREADS.items() if isinstance(named.get(name), Tensor)), None
        )
        return None if mean is None or spread is None else (mean, spread)
    if isinstance(outputs, (tuple, list)) and len(outputs) == 2 and all(isinstance(t, Tensor) for t in outputs):
        made = _last_step(outputs[1])
        if made.startswith(("Exp", "Softplus")):
            raise ValueError(
                f"the {role} returned a pair whose second tensor is made by {made.removesuffix('Backward0').lower()}, and a "
                'pair is read as (mean, log_variance); return {"mean": ..., "scale": ...} or {"mean": ..., "variance": ...}.'
            )
        return outputs[0], outputs[1]
    return None


def _alone(outputs: Any) -> Tensor | None:
    """The one tensor of a container, or the one whose name says that it is the output."""
    named = _named(outputs)
    if named is not None:
        said = [named[name] for name in ALONE if isinstance(named.get(name), Tensor)]
        parts = said[:1] or list(named.values())
    else:
        parts = list(outputs) if isinstance(outputs, (tuple, list)) else []
    return parts[0] if len(parts) == 1 and isinstance(parts[0], Tensor) else None


def _words(outputs: Any) -> str:
    named = _named(outputs)
    if named is None and not isinstance(outputs, (tuple, list)):
        return f"a {type(outputs).__name__}"
    items = named.items() if named is not None else [("", part) for part in outputs]
    texts = [
        f"{name}{' ' if name else ''}{tuple(t.shape) if isinstance(t, Tensor) else type(t).__name__}"
        for name, t in items
    ]
    return f"a {type(outputs).__name__} of {', '.join(texts) or 'nothing'}"


def bounded_by(outputs: Tensor) -> tuple[str, str]:
    """What the last thing done to a tensor was, if it keeps it within bounds, and these; only one with gradients knows."""
    step = _last_step(outputs).removesuffix("Backward0").lower()
    return (step, BOUNDED[step]) if step in BOUNDED else ("", "")


def _last_step(outputs: Tensor) -> str:
    """Autograd's name of the last operation on a tensor, changes of shape apart; "" where it is not known."""
    step: Any = outputs.grad_fn
    while step is not None and any(word in type(step).__name__ for word in UNCHANGED):
        step = step.next_functions[0][0]
    return "" if step is None else type(step).__name__
