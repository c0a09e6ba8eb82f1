"""Circumstances that programs run in: seeds, threads, modes, who stands still."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

import pyro
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.utils.parametrizations import _SpectralNorm

from pyrogen.seeds import ALONE, check_seed

# modules that remember something of each forward pass in training mode
REMEMBERING = (_NormBase, _SpectralNorm)


@contextmanager
def seeded(seed: int, device: torch.device | None = None) -> Iterator[None]:
    """Run from a seed, alone among the threads that do (:data:`pyrogen.seeds.ALONE`), and put torch's generators back.

    Raises:
        ValueError: a seed that torch cannot take.
    """
    seed = check_seed(seed)
    generators = [torch.default_generator]
    if device is not None and device.type == "cuda":
        torch.cuda.init()
        generators.append(torch.cuda.default_generators[device.index or 0])
    with ALONE:
        # torch.manual_seed asks every kind of device, 80 times as slow as its generator
        before = [g.get_state() for g in generators]
        try:
            for g in generators:
                g.manual_seed(seed)
            yield
        finally:
            for g, state in zip(generators, before, strict=True):
                g.set_state(state)


@contextmanager
def threads(n: int) -> Iterator[None]:
    """Run with so many torch threads, and put their number back afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def standing_still(parameters: Iterable[nn.Parameter], modules: Iterable[nn.Module] = ()) -> Iterator[None]:
    """No gradients into these parameters, and these modules remember nothing.

    Batch norms use a batch without keeping its statistics, spectral norms their singular vectors without another iteration.
    """
    moving = [p for p in parameters if p.requires_grad]
    among = list(modules)
    norms = [(m, m.track_running_stats) for m in among if isinstance(m, _NormBase)]
    iterated = [(m, m.training) for m in among if isinstance(m, _SpectralNorm)]
    for p in moving:
        p.requires_grad_(False)
    for m, _ in norms:
        m.track_running_stats = False
    for s, _ in iterated:
        s.training = False
    try:
        yield
    finally:
        for p in moving:
            p.requires_grad_(True)
        for m, tracks in norms:
            m.track_running_stats = tracks
        for s, training in iterated:
            s.training = training


@contextmanager
def remembering_apart(modules: Iterable[nn.Module]) -> Iterator[None]:
    """What batch norms remember is written after the block, to their own tensors.

    A graph that is kept holds on to those that it was made with: a later pass through the same norms, which changes them,
    would spoil it.
    """
    norms = [m for m in modules if isinstance(m, _NormBase)]
    own = [(m, name, t, t.clone()) for m in norms for name, t in m._buffers.items() if t is not None]
    for m, name, _, apart in own:
        m._buffers[name] = apart
    try:
        yield
    finally:
        for m, name, t, apart in own:
            t.copy_(apart)
            m._buffers[name] = t


def reached(total: Tensor, parameters: Iterable[nn.Parameter]) -> set[int]:
    """The ids of the trainable parameters that a scalar depends on."""
    trained = [p for p in parameters if p.requires_grad]
    if not total.requires_grad:
        return set()
    found = torch.autograd.grad(total, trained, allow_unused=True)
    return {id(p) for p, gradient in zip(trained, found, strict=True) if gradient is not None}


@contextmanager
def evaluating(*among: nn.Module) -> Iterator[None]:
    """Inference as it is at test time: evaluation mode, no gradients, no validation; the modes come back afterwards."""
    with ALONE:  # validation is switched for the whole process
        modes = {m: m.training for module in among for m in module.modules()}
        for module in among:
            module.eval()
        try:
            with torch.no_grad(), pyro.validation_enabled(False):
                yield
        finally:
            for m, training in modes.items():
                m.training = training


def generators(device: torch.device) -> dict[str, Tensor]:
    """The states of torch's global generators."""
    states = {"rng/cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states["rng/cuda"] = torch.cuda.get_rng_state(device)
    return states


def restore_generators(tensors: Mapping[str, Tensor], device: torch.device) -> None:
    """Put the states back."""
    torch.set_rng_state(tensors["rng/cpu"])
    if device.type == "cuda":
        torch.cuda.set_rng_state(tensors["rng/cuda"], device)
