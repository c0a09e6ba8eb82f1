"""What a loss may read of its modules, and whether it is still what it was."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import _has_any_global_hook
from torch.utils.hooks import RemovableHandle

from pyrogen.inference.replay.snapshot import Place

# where hooks are kept
ON_MODULES = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
ON_TENSORS = ("_backward_hooks", "_post_accumulate_grad_hooks")


class Structure:
    """The modules below some roots with all their tensors.

    Attributes:
        modules: each once.
        places: where their tensors are kept.
        live: these tensors as of the last look.
        device: that they are on.
        hooked: whether a module or a parameter has a hook, of whatever kind.
    """

    def __init__(self, roots: Sequence[nn.Module]) -> None:
        self.roots = roots
        self.look()

    def look(self) -> None:
        """Find them anew."""
        self.modules = list({id(m): m for root in self.roots for m in root.modules()}.values())
        places: dict[int, Place] = {}
        for module in self.modules:
            for home in (module._parameters, module._buffers):
                places |= {id(t): (home, name) for name, t in home.items() if t is not None}
        self.places = list(places.values())
        self._homes = [h for m in self.modules for h in (m._parameters, m._buffers, m._modules)]
        self._children = [(m._modules, name, child) for m in self.modules for name, child in m._modules.items()]
        self._sizes = [len(h) for h in self._homes]
        self.live: list[Tensor] = [home[name] for home, name in self.places]
        self.device = self.live[0].device if self.live else torch.device("cpu")
        self._hooks_made = RemovableHandle.next_id
        self.hooked = self._has_hooks()

    def unchanged(self) -> bool:
        """Whether the modules and their parameters are those that were found; the tensors as of now are ``live``."""
        known = self.live
        live: list[Any] = [home.get(name) for home, name in self.places]
        self.live = live
        return (
            self._sizes == [len(h) for h in self._homes]
            and all(home.get(name) is child for home, name, child in self._children)
            and all(a is b or _alike(a, b) for a, b in zip(known, self.live, strict=True))
            and self._unhooked()
        )

    def _unhooked(self) -> bool:
        """Whether there still are no hooks; looked at where somebody has made one since, wherever that was."""
        if self._hooks_made == RemovableHandle.next_id:
            return True
        self._hooks_made = RemovableHandle.next_id
        return not self._has_hooks()

    def _has_hooks(self) -> bool:
        on_modules = any(getattr(m, kind) for m in self.modules for kind in ON_MODULES)
        on_tensors = any(getattr(t, kind) for t in self.live for kind in ON_TENSORS)
        return on_modules or on_tensors or bool(_has_any_global_hook())

    def modes(self) -> list[bool]:
        """Which modules are training, and which tensors ask for gradients."""
        return [*(m.training for m in self.modules), *(t.requires_grad for t in self.live)]


def _alike(a: Tensor, b: Tensor | None) -> bool:
    """Whether a buffer was replaced by one of its kind; a parameter is only ever itself."""
    if b is None or isinstance(a, nn.Parameter):
        return False
    return (a.shape, a.dtype, a.device, a.stride()) == (b.shape, b.dtype, b.device, b.stride())
