"""Several processes that train one model: who they are, and what they tell one another."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence

import torch
import torch.distributed as distributed
from torch import Tensor, nn

from pyrogen.inference.replay.recording import laid_out
from pyrogen.together import of_first

BUCKET = 2**22  # numbers a message: few enough that the first are unpacked while the last are under way


def world() -> int:
    """How many there are."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def rank() -> int:
    """Which one this is; the first, 0, writes."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def announced() -> tuple[int, int]:
    """Which process this is, and of how many, as `torchrun` says before they have met."""
    many = int(os.environ.get("WORLD_SIZE", "1"))
    return (int(os.environ.get("RANK", "0")) if many > 1 else 0), many


def is_first() -> bool:
    """Whether this process is the one that writes and speaks; also before they have met, and after they parted."""
    return (rank() if distributed.is_initialized() else announced()[0]) == 0


def begin_alike(modules: Sequence[nn.Module]) -> None:
    """Give every process the parameters and buffers of the first."""
    if world() > 1:
        with torch.no_grad():
            for module in modules:
                for tensor in (*module.parameters(), *module.buffers()):
                    tensor.copy_(of_first(tensor.contiguous()))
                module.load_state_dict(
                    module.state_dict()
                )  # what Python keeps of a tensor, a switch, it learns when loaded


def apart(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Those of the tensors that are not the same in all processes."""
    if world() == 1:
        return {}
    # what is large and alike is not sent
    digests = {name: _digest(tensor) for name, tensor in tensors.items()}
    gathered: list[dict[str, str]] = [{} for _ in range(world())]
    distributed.all_gather_object(gathered, digests)
    return {name: t for name, t in tensors.items() if len({each[name] for each in gathered}) > 1}


def _digest(tensor: Tensor) -> str:
    return hashlib.sha256(
        tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
    ).hexdigest()


def share(size: int, of: int | None = None, among: int | None = None) -> int:
    """How many of a batch's data are a process's: this one's, or those of number ``of`` among so many."""
    return len(range(rank() if of is None else of, size, world() if among is None else among))


def agree(flag: bool) -> bool:
    """Whether any process says so: what all do together, all must do at the same step."""
    if world() == 1:
        return flag
    votes = torch.tensor([float(flag)])
    distributed.all_reduce(votes)
    return bool(votes.item())


def everyones(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of all processes, as ``name/RANK``; of one alone, by their names."""
    if world() == 1:
        return dict(tensors)
    gathered: list[dict[str, Tensor]] = [{} for _ in range(world())]
    distributed.all_gather_object(gathered, dict(tensors))
    return {f"{name}/{i}": t for i, theirs in enumerate(gathered) for name, t in theirs.items()}


def as_written(tensors: Mapping[str, Tensor], name: str) -> list[Tensor]:
    """What :func:`everyones` wrote of a name, of each process in its turn, however many they were."""
    several = sum(key.rpartition("/")[0] == name for key in tensors)
    return [tensors[f"{name}/{i}"] for i in range(several)] or [tensors[name]]


def share_gradients(parameters: Sequence[nn.Parameter], portion: float) -> None:
    """The gradient of the mean over all processes' data, wherever they lie, where this one's are such a portion of them.

    Many parameters go in one message, and all messages are under way at once: a message a parameter waits for each in turn.
    What has no gradient in any process has none afterwards.
    """
    sent = []
    for bucket in _buckets([p for p in parameters if p.requires_grad]):
        there = [p.grad is not None for p in bucket]
        told = torch.tensor(there).to(bucket[0])
        flat = torch.cat([*((torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in bucket), told])
        flat[: -len(bucket)] *= portion
        sent.append((bucket, there, flat, distributed.all_reduce(flat, async_op=True)))
    for bucket, there, flat, message in sent:
        message.wait()
        *parts, told = flat.split([*(p.numel() for p in bucket), len(bucket)])
        # numbers are asked of the device only where some other process may know more
        known = there if all(there) else told.bool().tolist()
        for p, part, known_of in zip(bucket, parts, known, strict=True):
            p.grad = laid_out(part.view(p.shape), p) if known_of else None


def _buckets(parameters: Sequence[nn.Parameter]) -> list[list[nn.Parameter]]:
    """Parameters of one type that fill a message, in their order."""
    buckets: list[list[nn.Parameter]] = []
    filled = 0
    for p in parameters:
        if not buckets or filled + p.numel() > BUCKET or buckets[-1][0].dtype != p.dtype:
            buckets.append([])
            filled = 0
        buckets[-1].append(p)
        filled += p.numel()
    return buckets
