"""Metrics of log Z: how far annealed chains are from an exact one, and whether their error bars can be believed."""

from __future__ import annotations

import torch

from pyrogen.base import HasPartition, Model
from pyrogen.data import Data
from pyrogen.inference.evidence.ais import AIS
from pyrogen.inference.latents.measured import mean, spread
from pyrogen.inference.metrics.evidence import Nats
from pyrogen.inference.metrics.with_error import WithError
from pyrogen.inference.programs.contexts import evaluating
from pyrogen.registry import choice


@choice("metric", "log-partition-error")
def log_partition_error(
    model: Model,
    data: Data,
    seed: int,
    runs: int = 5,
    temperatures: int = 1000,
    chains: int = 100,
    plain: bool = False,
) -> WithError:
    """√E (log Ẑ − log Z)² in nats over some runs, Ẑ by annealed importance sampling and Z by enumeration or quadrature.

    A ``plain`` estimate takes as many draws of the base as the chains make transitions, without any: importance sampling.
    Reference: Salakhutdinov & Murray 2008, On the quantitative analysis of deep belief networks, table 1.
    """
    truth, energy = _truth(model, "log-partition-error"), _energy(model, "log-partition-error")
    judge = _judge(temperatures, chains, plain)
    found = [judge.log_partition(energy, runs * seed + run).value - truth for run in range(runs)]
    return WithError.of(mean(torch.tensor(found).square()).root())


@choice("metric", "log-partition-calibration")
def log_partition_calibration(
    model: Model,
    data: Data,
    seed: int,
    runs: int = 20,
    temperatures: int = 300,
    chains: int = 100,
    plain: bool = False,
) -> WithError:
    """The standard deviation of (log Ẑ − log Z) / its error bar over so many runs: 1 where the bars are what they say.

    A ``plain`` estimate is importance sampling, as in log-partition-error.
    """
    truth, energy = _truth(model, "log-partition-calibration"), _energy(model, "log-partition-calibration")
    judge = _judge(temperatures, chains, plain)
    found = [judge.log_partition(energy, runs * seed + run) for run in range(runs)]
    return WithError.of(spread(torch.tensor([[(one.value - truth) / one.error] for one in found])).root())


@choice("metric", "gain-over-base")
def gain_over_base(model: Model, data: Data, seed: int) -> Nats:
    """Nats per datum by which an energy model's exact log p(x) exceeds that of the base of its path, on the test data.

    1/N Σₙ [log f₁(xₙ) − log Z₁ − log f₀(xₙ) + log Z₀]: the base is of independent units with the rates of the training data.
    """
    energy = _energy(model, "gain-over-base")
    x = data.test.x.to(model.device)
    with evaluating(model):
        own = energy.log_unnormalized(x)[0].double() - energy.log_partition()
        base = energy.log_density(model.read(x), 0.0).double() - energy.base_log_partition()
    return Nats((own - base).cpu().numpy())


def _judge(temperatures: int, chains: int, plain: bool) -> AIS:
    if plain:
        return AIS(1, temperatures * chains, schedule="sigmoid", doubling=False)
    return AIS(temperatures, chains, doubling=False)


def _energy(model: Model, metric: str) -> HasPartition:
    if not isinstance(model, HasPartition):
        raise ValueError(f"{type(model).__name__} is no energy model with a log Z, which the metric {metric!r} needs.")
    return model


def _truth(model: Model, metric: str) -> float:
    energy = _energy(model, metric)
    with evaluating(model):
        return float(energy.log_partition())
