"""A GPU that is not there: torch's fake tensors have its device and no values, so that whatever leaves it is seen."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

GPU = torch.device("cuda", 0)


class Strayed(AssertionError):
    """What would have made a GPU wait."""


class Watched(TorchDispatchMode):
    """Every operation has its tensors, and what it makes, on one device: nothing is copied there or back.

    Numbers that Python knows are no tensors, and become a part of a kernel's call; tensors of a processor without dimensions
    are copied as they are read, and are refused too.
    """

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        devices = {t.device.type for t in tree_leaves((args, kwargs, made)) if isinstance(t, Tensor)}
        if len(devices) > 1:
            raise Strayed(f"{func} has tensors of {' and '.join(sorted(devices))}")
        return made


MODE = FakeTensorMode(allow_non_fake_inputs=True)  # one for all: what is cached by its device is of this mode


@contextmanager
def gpu(*roots: nn.Module) -> Iterator[None]:
    """All tensors of some modules are on a GPU that is not there, and so are tensors from :func:`there`."""
    modules = list({id(m): m for root in roots for m in root.modules()}.values())
    # cuDNN has a layout of its own for the weights of an LSTM, and asks the card for it
    with MODE, torch.backends.cudnn.flags(enabled=False):
        for module in modules:
            for home in (module._parameters, module._buffers):
                for name, t in home.items():
                    home[name] = None if t is None else there(t)
        yield


def there(t: Tensor) -> Tensor:
    """One like it on the GPU that is not there."""
    fake = torch.empty_strided(t.shape, t.stride(), dtype=t.dtype, device=GPU)
    return nn.Parameter(fake, t.requires_grad) if isinstance(t, nn.Parameter) else fake


class Graph(TorchDispatchMode):
    """A CUDA graph on a processor: operations between tensors that stay where they were as it was captured.

    As on a device nothing has happened when it has been captured; there no kernel ran, here what they changed is put back.
    """

    def __init__(self) -> None:
        super().__init__()
        self.operations, self.before, self.random = [], {}, torch.get_rng_state()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        written = [a for a, named in zip(args, func._schema.arguments, strict=False) if _writes(named)]
        for t in tree_leaves(
            [written, [kwargs[a.name] for a in func._schema.arguments if a.name in kwargs and _writes(a)]]
        ):
            if isinstance(t, Tensor):
                self.before.setdefault(id(t), (t, t.clone()))
        made = func(*args, **kwargs)
        self.operations.append((func, args, kwargs, made, torch.is_grad_enabled()))
        return made

    @torch.no_grad()
    def captured(self) -> None:
        """Let everything be as it was."""
        for t, value in self.before.values():
            t.copy_(value)
        torch.set_rng_state(self.random)

    @torch.no_grad()
    def replay(self) -> None:
        """Do it all again."""
        for func, args, kwargs, made, grad in self.operations:
            with torch.set_grad_enabled(grad):
                again = func(*args, **kwargs)
            for kept, new in zip(tree_leaves(made), tree_leaves(again), strict=True):
                if isinstance(kept, Tensor) and isinstance(new, Tensor) and kept.data_ptr() != new.data_ptr():
                    kept.copy_(new)


def _writes(argument) -> bool:
    return argument.alias_info is not None and argument.alias_info.is_write
