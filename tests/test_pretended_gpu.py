"""Nothing of the zoo leaves its GPU as it trains: shown without one, on tensors that have a device and no values."""

from contextlib import contextmanager, nullcontext, suppress

import pyro
import pytest
import torch
from pretended import MODE, Strayed, Watched, gpu, there
from pyro.poutine import trace
from smallest import small
from torch import Tensor, nn
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
    FakeTensorDeviceMismatchError,
)

import pyrogen
from pyrogen.base import Batch
from pyrogen.inference.replay import entry

# the network runs on the people who are there, others in every batch
READS = {"social-gan"}
# torch's chi-squared distribution makes a tensor of its ½
COPIES = {"vae-heavy-tailed", "StudentT"}
NAMES = [name for name in pyrogen.list_models() if name not in READS]


@pytest.fixture(autouse=True)
def _pretended(monkeypatch):
    def grad(outputs, inputs, *_, **__):
        """Autograd asks the device itself, which is not there; all that is needed of gradients is how large they are."""
        return tuple(torch.zeros_like(t) for t in ([inputs] if isinstance(inputs, Tensor) else inputs))

    monkeypatch.setattr(torch.autograd, "grad", grad)
    # what is there already would be moved by an exchange that fake tensors do not allow
    monkeypatch.setattr(nn.Module, "to", lambda self, *_, **__: self)
    with pyro.validation_enabled(False):
        yield


def there_too(batch):
    return entry.batch_of({name: there(t) for name, t in entry.tensors_of(batch).items()})


@contextmanager
def moved(model, *others):
    """The model on the GPU, with the network that a likelihood only looks through."""
    seen_through = getattr(getattr(model, "likelihood", None), "network", None)
    with gpu(model, *others, *([] if seen_through is None else [seen_through])):
        yield


def stays(model, players, batch):
    """Every player's loss here and twice there: what is looked at, and what is copied there, only at its first use may be."""
    shown = {}
    for player in players:
        if player.shows is not None:
            shown = {k: v.detach() for k, v in player.shows(batch).items()}
    here = Batch(**{**vars(batch), "shown": shown or None})
    for player in players:
        player.loss(here)
    with moved(model, *(m for p in players for m in (*p.owns, *p.state))):
        seen = there_too(here)
        for player in players:
            player.loss(seen)
        with Watched():
            for player in players:
                assert {t.device.type for t in player.loss(seen).values()} == {"cuda"}


def some(model, tiny_data):
    batch = tiny_data(model).train.batch(torch.arange(8))
    return Batch(**{**vars(batch), "step": torch.zeros((), dtype=torch.long)})


@pytest.mark.rotating
@pytest.mark.parametrize("name", NAMES)
def test_training_stays_on_its_gpu(name, tiny_data):
    model = small(name)
    stage = model.stages()[0]
    stage.enter()
    with pytest.raises(Strayed) if name in COPIES else nullcontext():
        stays(model, stage.players, some(model, tiny_data))


# what does not stand in a VAE of images by itself, for it needs another axis or other data
ELSEWHERE = {
    "prior": "Bernoulli Categorical ConditionalNormal Dirichlet ExemplarPrior Flat HypersphericalUniform LogisticNormal "
    "Markov MaskedPrior PixelCNNPrior RelaxedBernoulli RelaxedCategorical",
    "posterior": "Bernoulli Categorical Ladder LogisticNormal RelaxedBernoulli RelaxedCategorical ResidualNormal Smoother "
    "VonMisesFisher",
    "likelihood": "Autoregressive LowRankMultivariateNormal MixtureDensity MultivariateNormal Perceptual Stepwise Tokens",
}
CHOICES = [
    (a, choice) for a, others in ELSEWHERE.items() for choice in pyrogen.choices(a) if choice not in others.split()
]


def test_what_stands_elsewhere_is_refused_here():
    for axis, others in ELSEWHERE.items():
        for choice in others.split():
            with pytest.raises(ValueError):  # noqa: PT011 - each in its own words, which other tests read
                print(choice, small("vae", **{axis: choice}, latent_size=4))


@pytest.mark.rotating
@pytest.mark.parametrize(("axis", "choice"), CHOICES, ids=["-".join(pair) for pair in CHOICES])
def test_choices_stay_on_their_gpu(axis, choice, tiny_data):
    model = small("vae", **{axis: choice}, latent_size=4)
    with pytest.raises(Strayed) if choice in COPIES else nullcontext():
        stays(model, model.stages()[0].players, some(model, tiny_data))


@pytest.mark.rotating
@pytest.mark.parametrize("name", pyrogen.list_models())
def test_samples_are_drawn_on_their_gpu(name, tiny_data, conditions):
    model = small(name).eval()
    train, y = tiny_data(model).train, conditions(model, 3)
    model.after_training(train.x, train.y)
    model.sample(3, y)
    with moved(model), suppress(DataDependentOutputException, DynamicOutputShapeException):  # Python may look here
        assert model.sample(3, None if y is None else there(y)).device.type == "cuda"


VERBS = {
    "log_prob": lambda m, x, y: m.log_prob(x, y),
    "log_conditionals": lambda m, x, y: m.log_conditionals(x, y),
    "complete": lambda m, x, y: m.complete(x, 5, y),
    "free_energy": lambda m, x, y: m.free_energy(x),
    "gibbs": lambda m, x, y: m.gibbs(x),
    "log_unnormalized": lambda m, x, y: m.log_unnormalized(x)[0],
    "base_states": lambda m, x, y: m.move(m.base_states(3), 0.5),
    "climb": lambda m, x, y: m.climb(m.base_states(3), 0.2, 0.4)[0],
    "base_log_partition": lambda m, x, y: m.base_log_partition(),
    "encode": lambda m, x, y: m.encode(x, y).sample(),
    "code": lambda m, x, y: m.code(x, y),
    "reconstruct": lambda m, x, y: m.reconstruct(x, y),
    "features": lambda m, x, y: m.features(x),
    "classify": lambda m, x, y: m.classify(x).sample(),
    "latent_prior": lambda m, x, y: m.generate(m.latent_prior(y).expand(x.shape[:1]).sample(), y),
    "to_x": lambda m, x, y: m.to_x(y),
    "to_y": lambda m, x, y: m.to_y(x),
    "prior_nats": lambda m, x, y: m.prior_nats(x),
    "reconstruction_nats": lambda m, x, y: m.reconstruction_nats(x),
    "step_nats": lambda m, x, y: m.step_nats(x, torch.ones_like(x.flatten(1)[:, 0]).long(), y),
    "log_prob_along": lambda m, x, y: m.log_prob_along(x, 1e-2),
    "fill": lambda m, x, y: m.fill(x, torch.ones_like(x[0, 0]).bool(), y)[0],
    "sample_mean": lambda m, x, y: m.sample_mean(len(x), y),
    "model": lambda m, x, y: trace(m.model).get_trace(x, y).log_prob_sum() + x.sum(),
    "guide": lambda m, x, y: trace(m.guide).get_trace(x, y).log_prob_sum() + x.sum(),
}


@pytest.mark.rotating
@pytest.mark.parametrize("name", pyrogen.list_models())
def test_what_is_asked_of_a_model_is_answered_on_its_gpu(name, tiny_data, conditions):
    model = small(name).eval()
    train = tiny_data(model).train
    model.after_training(train.x, train.y)
    x, y = train.x[:4], conditions(model, 4)
    asked = [verb for verb in VERBS if hasattr(model, verb) and answers(VERBS[verb], model, x, y)]
    assert asked
    with moved(model):
        x, y = there(x), None if y is None else there(y)
        for verb in asked:
            with suppress(DataDependentOutputException, DynamicOutputShapeException):
                assert VERBS[verb](model, x, y).device.type == "cuda", verb


def answers(verb, model, x, y):
    """Whether it does here."""
    try:
        verb(model, x, y)
    except (ValueError, NotImplementedError):
        return False
    return True


STRAYS = {
    "a tensor of a processor": lambda x: x + torch.zeros(3),
    "a number made a tensor": lambda x: torch.distributions.Normal(x, 1.0),
    "a list as an index": lambda x: x[[0, 1]],
    "to the processor": lambda x: x.cpu(),
    "to Python": lambda x: float(x[0]),
    "an if": lambda x: x if x.sum() > 0 else -x,
    "as many as there are": lambda x: x[x > 0],
}


@pytest.mark.parametrize("stray", STRAYS)
def test_what_strays_is_seen(stray):
    with MODE, Watched(), pytest.raises((Strayed, FakeTensorDeviceMismatchError, RuntimeError)):
        STRAYS[stray](there(torch.zeros(3)))
