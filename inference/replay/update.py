"""What follows the gradients: clipping, and an optimizer; done eagerly, or as a part of a compiled step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from pyrogen.inference.replay.snapshot import Place
from pyrogen.optim import Optim


class Update:
    """One player's optimizer over its parameters.

    Args:
        settings: of the optimizer.
        parameters: that it moves, by the gradients in their ``.grad``.
        clip: the largest norm of all gradients together, or None.
        within: whether nothing comes between the gradients and it, so that it can be a part of a compiled step.
    """

    def __init__(self, settings: Optim, parameters: Sequence[nn.Parameter], clip: float | None, within: bool) -> None:
        self.settings, self.parameters, self.clip = settings, parameters, clip
        self.optimizer = settings.build(parameters)
        self.lr = settings.lr
        self.within = within and settings.kept is not None

    def enter(self, lr: float) -> None:
        """Go on with a learning rate."""
        self.lr = lr
        for group in self.optimizer.param_groups:
            group["lr"] = lr

    def __call__(self) -> None:
        """Clip the gradients, and move."""
        self.clipped()
        self.optimizer.step()

    def clipped(self) -> None:
        """Scale the gradients down where they are too large."""
        if self.clip is not None:
            nn.utils.clip_grad_norm_(self.parameters, self.clip)

    def _kept(self, i: int) -> dict[str, Any]:
        kept: dict[str, Any] = self.optimizer.state.get(self.parameters[i], {})
        return kept

    def places(self, moved: Sequence[int]) -> list[Place]:
        """Where the optimizer keeps what it knows of these of the parameters."""
        kept = [self._kept(i) for i in moved]
        return [(state, name) for state in kept for name, value in state.items() if isinstance(value, Tensor)]

    def begins(self, moved: Sequence[int]) -> bool:
        """Whether it could be a part of a step, had each of these moved before: what it keeps of them is not there yet."""
        return self.within and not all(self._kept(i).keys() >= {*(self.settings.kept or ())} for i in moved)

    def steps(self, moved: Sequence[int]) -> list[float]:
        """How many each of these has made, where the optimizer counts them."""
        return [float(self._kept(i).get("step", 0.0)) for i in moved]

    def rates(self, steps: Sequence[float], count: int = 1) -> tuple[Tensor, ...]:
        """The numbers of the next steps of parameters that have made so many, see :meth:`pyrogen.optim.Optim.rates`."""
        found = {t: self.settings.rates(self.lr, t) for t in {t + i for t in steps for i in range(count)}}
        return torch.tensor([[found[t + i] for t in steps] for i in range(count)]).unbind()

    def written_out(
        self,
        moved: Sequence[int],
        parameters: Sequence[Tensor],
        gradients: Sequence[Tensor],
        kept: Sequence[Tensor],
        rates: Tensor,
    ) -> list[Tensor]:
        """The same by operations that can be compiled, in place of what it moves; the gradients as they were taken.

        Args:
            moved: which of the parameters.
            parameters: these.
            gradients: of each.
            kept: what is in :meth:`places`.
            rates: from :meth:`rates`.
        """
        if self.clip is not None:
            norm = torch.stack([g.square().sum() for g in gradients]).sum().sqrt()
            scale = (self.clip / (norm + 1e-6)).clamp(max=1.0)
            gradients = [g * scale for g in gradients]
        names, left = [[name for _, name in self.places([i])] for i in moved], iter(kept)
        for parameter, gradient, its, rate in zip(parameters, gradients, names, rates, strict=True):
            self.settings.step(parameter, gradient, {name: next(left) for name in its}, rate.unbind())
        return list(gradients)

    def state(self) -> dict[tuple[str, str], Tensor]:
        """What the optimizer keeps, by the parameter's number and its own name."""
        kept: Mapping[int, Mapping[str, Any]] = self.optimizer.state_dict()["state"]
        return {(str(i), name): value for i, values in kept.items() for name, value in values.items()}

    def restore(self, tensors: Mapping[tuple[str, ...], Tensor]) -> None:
        """Put a state back.

        Raises:
            ValueError: it is that of another optimizer.
        """
        saved: dict[int, dict[str, Tensor]] = {}
        for (number, name), tensor in tensors.items():
            saved.setdefault(int(number), {})[name] = tensor.clone()
        names = self.settings.remembers()
        if wrong := [names ^ of_one.keys() for of_one in saved.values() if of_one.keys() != names]:
            raise ValueError(f"of an optimizer, {', '.join(sorted(wrong[0]))}")
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": saved, "param_groups": groups})
