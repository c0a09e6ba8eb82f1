"""Every prior with every posterior and every likelihood: refused when it is built, or it trains, samples and is scored."""

import itertools
import math
import re

import pyro
import pytest
import torch
from pyro.infer import SVI, Trace_ELBO

import pyrogen
from pyrogen.inference import IWAE, Reconstruction, log_evidence
from pyrogen.registry import find

PRIORS, POSTERIORS, LIKELIHOODS = (pyrogen.choices(axis) for axis in ("prior", "posterior", "likelihood"))
SMALLER = {  # than their defaults, for speed
    "VampPrior": {"components": 4},
    "ExemplarPrior": {"components": 4},
    "MixtureOfGaussians": {"components": 3},
    "DiscretizedLogisticMixture": {"components": 2},
    "FlowPrior": {"hidden": 8, "layers": 2},
    "DiffusionPrior": {"hidden": (8,), "steps": 2},
    "MaskedPrior": {"denoiser": {"name": "Perceptron", "hidden": (8,), "octaves": 0}},
}
IMAGE, VECTOR, SEQUENCE = (1, 4, 4), (3,), (1, 4)
# priors of conditional models
ASKING = ("ConditionalNormal",)
# and those whose latents are states of sequences
STEPPING = ("Markov",)


def build(prior="StandardNormal", posterior="DiagonalNormal", likelihood="Bernoulli", x_shape=IMAGE):
    torch.manual_seed(0)
    axes = {"prior": prior, "posterior": posterior, "likelihood": likelihood}
    specs = {axis: {"name": name, **_small(axis, name)} for axis, name in axes.items()}
    entry, more = ("vae-conditional", {"classes": 3}) if prior in ASKING else ("vae", {})
    x_shape = SEQUENCE if prior in STEPPING else x_shape
    return pyrogen.create(entry, x_shape=x_shape, latent_size=4, hidden=(8,), **more, **specs)


def _small(axis, name):
    accepted = find(axis, name).load().__init__.__annotations__
    return {k: v for k, v in SMALLER.get(name, {}).items() if k in accepted}


def refused(**choices):
    try:
        build(**choices)
    except ValueError as error:
        return str(error)
    return None


def shape_for(likelihood):
    """Images where they are taken, else vectors or sequences; None where it does not work from its defaults."""
    return next((s for s in (IMAGE, VECTOR, SEQUENCE) if not refused(likelihood=likelihood, x_shape=s)), None)


def all_pairs(every):
    """A small set of combinations in which every two choices that meet at all meet once, greedily."""

    def pairs(combination):
        return itertools.combinations(enumerate(combination), 2)

    bits = {}  # one for each pair: sets of pairs as integers, of which every worker of xdist compares half a million
    masks = {c: sum(1 << bits.setdefault(pair, len(bits)) for pair in pairs(c)) for c in every}
    left = (1 << len(bits)) - 1
    chosen = []
    while left:
        chosen.append(max(masks, key=lambda c: (masks[c] & left).bit_count()))
        left &= ~masks[chosen[-1]]
    return chosen


REFUSED = {pair: refused(prior=pair[0], posterior=pair[1]) for pair in itertools.product(PRIORS, POSTERIORS)}
JOINED = [pair for pair, why in REFUSED.items() if why is None]
SHAPES = {name: shape_for(name) for name in LIKELIHOODS}
SEQUENTIAL = {name for name in LIKELIHOODS if not refused(likelihood=name, x_shape=SEQUENCE)}
WORKING = [
    (p, likelihood, q)
    for p, q in JOINED
    for likelihood, shape in SHAPES.items()
    if (likelihood in SEQUENTIAL if p in STEPPING else shape)
]


def test_every_choice_works_with_some_other():
    assert {p for p, _ in JOINED} == set(PRIORS)
    assert {q for _, q in JOINED} == set(POSTERIORS)
    # a perceptual likelihood is nothing without a network of the user's, and words are as many as data say
    assert {name for name, shape in SHAPES.items() if not shape} == {"Perceptual", "Tokens"}


def fits(prior, posterior):
    """Which of the first choices can be joined, said once more and in other words than the library does."""
    discrete = {"Bernoulli", "Categorical"}
    if prior in discrete or (posterior in discrete and prior != "VampPrior"):
        return prior == posterior
    if posterior == "Ladder":
        return prior == "Hierarchical"
    if posterior == "PointMass":
        return prior in ("StandardNormal", "Laplace", "StudentT", "Flat")
    return prior != "Flat"


FIRST = (
    ("StandardNormal", "Laplace", "StudentT", "MixtureOfGaussians", "VampPrior", "FlowPrior", "Flat", "Bernoulli",
     "Categorical", "Hierarchical"),
    ("DiagonalNormal", "FullRankNormal", "Ladder", "PointMass", "Bernoulli", "Categorical"),
)  # fmt: skip


def test_what_should_fit_fits():
    assert [pair for pair in itertools.product(*FIRST) if fits(*pair) != (REFUSED[pair] is None)] == []


@pytest.mark.rotating
@pytest.mark.parametrize("pair", [p for p, why in REFUSED.items() if why], ids="-".join)
def test_a_refusal_names_both_sides_and_what_it_proposes_works(pair):
    prior, posterior = pair
    message = REFUSED[pair]
    assert re.search(rf"prior {prior}\b.*posterior {posterior}\b.*; use posterior=", message), message
    assert "\n" not in message
    found = re.findall(r"(prior|posterior)='(\w+)' with (prior|posterior)='(\w+)'", message)
    first, second = ({axis: name, other: kept} for axis, name, other, kept in found)
    assert (first["prior"], second["posterior"]) == (prior, posterior)
    assert build(**first)
    assert build(**second)


PAIRWISE = all_pairs(WORKING)
REST = [c for c in WORKING if c not in set(PAIRWISE)]


@pytest.mark.rotating
@pytest.mark.usefixtures("empty_store")
@pytest.mark.parametrize(
    ("prior", "likelihood", "posterior"),
    [pytest.param(*c, id="-".join(c)) for c in PAIRWISE]
    + [pytest.param(*c, id="-".join(c), marks=pytest.mark.slow) for c in REST],
)
def test_any_combination_trains_samples_and_is_scored(draws, prior, likelihood, posterior):
    shape = SEQUENCE if prior in STEPPING else SHAPES[likelihood]
    m = build(prior, posterior, likelihood, shape)
    x = draws(m.kinds[0], 6, *shape)
    y = (torch.arange(6) % 3,) if prior in ASKING else ()
    m.before_training(x)
    before = {name: p.detach().clone() for name, p in m.named_parameters()}
    svi = SVI(m.model, m.guide, pyro.optim.Adam({"lr": 1e-2}), Trace_ELBO())
    losses = [svi.step(x, *y) for _ in range(4)]
    assert all(map(math.isfinite, losses))
    assert [name for name, p in m.named_parameters() if torch.equal(p, before[name])] == []
    assert not pyro.get_param_store().keys()
    m.after_training(x, *y)
    sampled = m.sample(6, *y)
    assert sampled.shape == (6, *shape)
    assert m.likelihood.support.check(sampled).all()
    assert m.reconstruct(x, *y).shape == x.shape
    z = m.encode(x, *y).sample()
    assert m.posterior.support.check(z).all()
    assert m.posterior.support.check(m.prior.generator(*y).sample((5,))).all()
    if not m.posterior.has_density:
        with pytest.raises(ValueError, match="Reconstruction"):
            log_evidence(m, x, IWAE(30), 0, *y)
        evidence = log_evidence(m, x, Reconstruction(10), 0, *y)
    else:
        evidence = log_evidence(m, x, IWAE(30), 0, *y)
    assert evidence["log_evidence"].shape == (6,)
    assert all(math.isfinite(v) for v in evidence["log_evidence"].values)
    assert all(math.isfinite(v) and v >= 0 for v in evidence["mc_se"].values)
