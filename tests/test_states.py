"""State space models against what is known exactly: laws, chains of states, filters, smoothers, forecasts."""

import itertools
import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.distributions import MultivariateNormal

import pyrogen
from pyrogen.command.cli import main
from pyrogen.data import Split, load
from pyrogen.data.states import LinearGaussian, turning
from pyrogen.distributions.turned import Turned
from pyrogen.inference import (
    AIS,
    IWAE,
    ParticleFilter,
    complete,
    diagnose,
    filter_states,
    forecast,
    log_evidence,
    smooth_states,
)
from pyrogen.inference.evidence.particle_filter import follow
from pyrogen.inference.evidence.smc import Crowd
from pyrogen.inference.metrics.gaps import posterior_gap
from pyrogen.inference.pages import state_sections
from pyrogen.likelihoods import Masked, Normal, Stepwise, VonMises
from pyrogen.posteriors import Smoother
from pyrogen.priors import Gated, Markov
from pyrogen.registry import make

LENGTH = 6


def crooked(length=LENGTH):
    """A law without any symmetry: three numbers of a state, of which two mixtures are seen."""
    return LinearGaussian(
        transition=[[0.8, 0.3, 0.0], [-0.4, 0.7, 0.1], [0.0, 0.2, 0.9]],
        push=[[0.5, 0.1, 0.0], [0.1, 0.3, 0.0], [0.0, 0.0, 0.2]],
        emission=[[1.0, 0.0, 0.5], [0.3, -1.0, 0.0]],
        noise=[[0.4, 0.1], [0.1, 0.2]],
        mean=[0.5, -1.0, 0.2],
        covariance=[[1.0, 0.2, 0.0], [0.2, 0.8, 0.0], [0.0, 0.0, 0.5]],
        length=length,
    )


def joint(law):
    """All states, one after the other, and all of x, step by step, as one normal: mean and covariance."""
    size, steps = len(law.mean), law.length
    means, blocks = [law.mean], [[law.covariance]]
    for t in range(1, steps):
        means.append(law.transition @ means[-1])
        row = [law.transition @ blocks[t - 1][s] for s in range(t)]
        for s in range(t):
            blocks[s].append(row[s].T)
        row.append(law.transition @ blocks[t - 1][t - 1] @ law.transition.T + law.push)
        blocks.append(row)
    z_mean, z_cov = torch.cat(means), torch.cat([torch.cat(row, 1) for row in blocks])
    seen = torch.block_diag(*[law.emission] * steps)
    noise = torch.block_diag(*[law.noise] * steps)
    assert z_cov.shape == (size * steps, size * steps)
    return z_mean, z_cov, seen, noise


def by_step(x):
    return x.double().mT.flatten(1)


# -------------------------------------------------------------------------------------------------------- the law


def test_kalman_is_the_normal_of_the_whole_sequence():
    law = crooked()
    x, z = law.sample(7, torch.Generator().manual_seed(1))
    assert x.shape == (7, 2, LENGTH)
    assert z.shape == (7, 3, LENGTH)
    mean, covariance, seen, noise = joint(law)
    dense = MultivariateNormal(seen @ mean, seen @ covariance @ seen.T + noise)
    torch.testing.assert_close(law.log_prob(x), dense.log_prob(by_step(x)))
    torch.testing.assert_close(law.log_prob(x.reshape(1, 7, 2, LENGTH)), dense.log_prob(by_step(x))[None])


@pytest.mark.parametrize("known", [1, 3, LENGTH])
def test_beliefs_are_the_conditionals_of_the_joint_normal(known):
    """The filter at a step is the smoother of the sequence up to it."""
    law = crooked()
    x, _ = law.sample(4, torch.Generator().manual_seed(2))
    mean, covariance, seen, noise = joint(crooked(known))
    gain = torch.linalg.solve(seen @ covariance @ seen.T + noise, seen @ covariance).T
    means = mean + (by_step(x[..., :known]) - seen @ mean) @ gain.T
    spread = covariance - gain @ seen @ covariance
    smooth, filtered = law.smooth(x[..., :known]), law.filter(x)
    torch.testing.assert_close(smooth.mean.flatten(1), means)
    blocks = torch.stack([spread[3 * t : 3 * t + 3, 3 * t : 3 * t + 3] for t in range(known)])
    torch.testing.assert_close(smooth.covariance, blocks)
    torch.testing.assert_close(filtered.mean[:, known - 1], means[:, -3:])
    torch.testing.assert_close(filtered.covariance[known - 1], blocks[-1])


def test_the_data_are_of_the_law():
    data = load("linear-gaussian")
    assert data.x_shape == (1, 24)
    assert data.kind == "real"
    # −log p(x) of draws has the mean of their entropy
    mean, covariance, seen, noise = joint(data.law)
    dense = MultivariateNormal(seen @ mean, seen @ covariance @ seen.T + noise)
    nats = -data.law.log_prob(data.train.x)
    assert float(nats.mean() - dense.entropy()) == pytest.approx(0, abs=4 * float(nats.std()) / len(nats) ** 0.5)


def test_the_pendulum_stays_on_its_circle():
    x = load("pendulum").train.x
    radius = x.norm(dim=1)
    assert float(radius.mean()) == pytest.approx(1, abs=0.02)
    assert float(radius.std()) == pytest.approx(0.1, abs=0.02)
    assert float((x[:, 1] > 0.5).float().mean()) > 0.05  # some turn over


# ----------------------------------------------------------------------------------------------------- distributions


def net(**arguments):
    torch.manual_seed(0)
    small = {"x_shape": (2, LENGTH), "latent_size": 2, "hidden": (8,), "net": {"name": "LSTM", "width": 6}}
    m = pyrogen.create("vae-sequential", **{**small, **arguments}).eval()
    with torch.no_grad():
        for p in m.parameters():
            p.add_(0.2 * torch.randn_like(p))
    return m


def chains():
    for transition in ("Linear", Gated(hidden=5)):
        m = net(transition=transition)
        yield f"prior-{type(m.prior.transition).__name__}", m.prior()
    yield "posterior", net().infer(torch.randn(1, 2, LENGTH, generator=torch.Generator().manual_seed(0)))


CHAINS = dict(chains())


@pytest.mark.parametrize("name", CHAINS)
def test_a_chain_is_scored_at_once_as_step_by_step(name):
    chain = CHAINS[name]
    torch.manual_seed(1)
    with torch.no_grad():
        z = chain.sample((5,))
        states = z.unflatten(-1, (LENGTH, 2)).unbind(-2)
        total = chain.first.log_prob(states[0])
        for t in range(1, LENGTH):
            total = total + chain.following(states[t - 1].unsqueeze(-2), t).log_prob(states[t].unsqueeze(-2)).squeeze(
                -1
            )
        torch.testing.assert_close(chain.log_prob(z), total)


@pytest.mark.parametrize("name", CHAINS)
def test_what_is_drawn_is_what_is_scored(name):
    """E_p[r(z)] of the first two states by draws, and by the density at draws of a wide normal."""
    chain, (a, b) = CHAINS[name], (0, 2)
    torch.manual_seed(1)
    with torch.no_grad():
        drawn = chain.sample((20_000,)).reshape(-1, 2 * LENGTH)[:, [a, b]]
        # the rest of the states is as it is drawn: it cancels
        wide = chain.sample((1,)).reshape(1, -1).expand(200_000, -1).clone()
        first = torch.distributions.Normal(0.0, 2.5)
        wide[:, :4] = first.sample((200_000, 4))
        two = wide.unflatten(-1, (LENGTH, 2))
        log_p = chain.first.log_prob(two[:, 0]).reshape(-1)
        log_p = log_p + chain.following(two[:, :1], 1).log_prob(two[:, 1:2]).reshape(-1)
        weights = (log_p - first.log_prob(wide[:, :4]).sum(-1)).softmax(0)
    for moment in (lambda z: z, lambda z: z.square(), lambda z: z[:, :1] * z[:, 1:]):
        expected = (weights[:, None] * moment(wide[:, [a, b]])).sum(0)
        torch.testing.assert_close(moment(drawn).mean(0), expected, atol=0.08, rtol=0.05)


def messages(law, x):
    """log p(x_t … x_T | z_t) = ηᵀz − ½ zᵀΛz + …: η ``(N, T, L)`` and Λ ``(T, L, L)``, from the end to the beginning."""
    seen = law.emission.T @ torch.linalg.inv(law.noise)
    pull, sharp = x.double()[..., -1] @ seen.T, seen @ law.emission
    pulls, sharps = [pull], [sharp]
    for t in range(law.length - 2, -1, -1):
        # N(z_{t+1}; A z_t, Q) times the message at t + 1, integrated over z_{t+1}
        through = law.transition.T @ torch.linalg.inv(torch.eye(2).double() + sharp @ law.push)
        pull = x.double()[..., t] @ seen.T + pull @ through.T
        sharp = seen @ law.emission + through @ sharp @ law.transition
        pulls.append(pull)
        sharps.append(sharp)
    return torch.stack(pulls[::-1], 1), torch.stack(sharps[::-1])


def test_the_true_posterior_is_in_the_family(monkeypatch):
    """With the messages of a linear law log p(x, z) − log q(z|x) is log p(x), whatever z."""
    law, m, x = known()
    pull, sharp = messages(law, x)
    monkeypatch.setattr(m.posterior, "messages", lambda features: (pull.float(), sharp.float().expand(5, -1, -1, -1)))
    with torch.no_grad():
        q, z = m.infer(x), 2 * torch.randn(50, 5, 16)
        weights = m.prior().log_prob(z) + m.decode(z).log_prob(x) - q.log_prob(z)
        torch.testing.assert_close(weights.double(), law.log_prob(x).expand(50, -1), atol=2e-3, rtol=0)
        torch.testing.assert_close(q.mean.double(), law.smooth(x).mean.flatten(1), atol=1e-3, rtol=0)
    found = log_evidence(m, x, ParticleFilter(2, 4, "guide"))
    assert abs(found["log_evidence"].values - law.log_prob(x).numpy()).max() < 2e-3
    assert found["resampled"].values.max() == 0


def test_a_stepwise_likelihood_is_the_same_at_each_step():
    p = Stepwise({"name": "Normal", "scale": "predicted"})
    p.size(torch.Size((3, 5)))
    features, x = torch.randn(4, p.channels(p.x_shape), 5), torch.randn(4, 3, 5)
    given = p(features)
    assert isinstance(given, Turned)
    assert given.sample((2,)).shape == (2, 4, 3, 5)
    each = torch.stack([p.step(features[..., t]).log_prob(x[..., t]) for t in range(5)], -1)
    torch.testing.assert_close(given.log_prob(x), each.sum(-1))
    whole = Normal()
    whole.size(torch.Size((3, 5)))
    torch.testing.assert_close(whole(features).log_prob(x), given.log_prob(x))
    torch.testing.assert_close(whole(features).mean, given.mean)


@pytest.mark.parametrize("of", [Normal(), Masked("Normal"), VonMises()], ids=lambda p: type(p).__name__)
def test_the_mean_of_a_mixture_of_sequences(of):
    p = Stepwise(of)
    p.size(torch.Size((2, 3)))
    features, weights = torch.randn(4, 6, p.channels(p.x_shape), 3), torch.rand(4, 6).softmax(-1)
    blended = p.blend(weights, p(features))
    assert blended.shape == (4, 2, 3)
    one = p.blend(torch.eye(6)[2].expand(4, 6), p(features))
    torch.testing.assert_close(one, p(features[:, 2]).mean, atol=1e-5, rtol=1e-5)


# ------------------------------------------------------------------------------------- filters, with the true numbers


def raw(scale):
    return math.log(math.expm1(scale - 1e-3))


def known(posterior="Smoother"):
    """The zoo's linear model with the numbers of the law "linear-gaussian"."""
    law = turning(8)
    m = pyrogen.create(
        "vae-sequential",
        x_shape=(1, 8),
        latent_size=2,
        transition="Linear",
        hidden=(),
        emission={"name": "Normal", "scale": "fixed", "value": float(law.noise.sqrt())},
        net={"name": "LSTM", "width": 4},
        posterior=posterior,
    )
    with torch.no_grad():
        m.prior.transition.map.weight.copy_(law.transition)
        m.prior.transition.map.bias.zero_()
        m.prior.transition.raw_scale.fill_(raw(float(law.push[0, 0].sqrt())))
        m.prior.raw_scale.fill_(raw(float(law.covariance[0, 0].sqrt())))
        m.decoder.net.step.net[1].weight.copy_(law.emission)
        m.decoder.net.step.net[1].bias.zero_()
        if posterior == "Smoother":  # messages that know nothing: the guide is the prior
            m.posterior.head.weight.zero_()
            m.posterior.head.bias.copy_(torch.tensor([0.0, 0.0, -20.0, -20.0, 0.0]))
    return law, m, law.sample(5, torch.Generator().manual_seed(3))[0]


@pytest.mark.parametrize("proposal", ["prior", "guide"])
@pytest.mark.parametrize("threshold", [0.0, 0.5, 1.0])
def test_the_particle_filter_is_unbiased(proposal, threshold):
    """E Z = p(x) with three particles already: the mean over many independent populations, within its error."""
    law, m, x = known()
    truth = law.log_prob(x).numpy()
    found = log_evidence(m, x, ParticleFilter(3, 4000, proposal, threshold))
    z = (np.exp(found["log_evidence"].values - truth) - 1) / found["mc_se"].values
    assert abs(z).max() < 4
    assert found["mc_se"].values.max() < 0.3
    assert found.attrs["bound"] == "lower"


def test_resampling_pays_on_long_sequences():
    law, m, x = known()
    truth = law.log_prob(x).numpy()
    gaps = [
        (truth - log_evidence(m, x, ParticleFilter(50, 4, threshold=t))["log_evidence"].values).mean()
        for t in (0.0, 0.5)
    ]
    assert gaps[0] > gaps[1] + 0.05


def test_never_to_resample_is_importance_sampling_from_the_guide():
    _, m, x = known()
    filtered = log_evidence(m, x, ParticleFilter(50, 20, "guide", 0.0))
    weighed = log_evidence(m, x, IWAE(1000))
    apart = filtered["log_evidence"].values - weighed["log_evidence"].values
    assert abs(apart / np.hypot(filtered["mc_se"].values, weighed["mc_se"].values)).max() < 4.5
    assert filtered["resampled"].values.max() == 0


def test_data_do_not_lean_on_one_another():
    _, m, x = known()
    whole = log_evidence(m, x, ParticleFilter(20, 4), seed=3)
    again = log_evidence(m, x, ParticleFilter(20, 4), seed=3, chunk_size=1)
    assert (whole["log_evidence"].values == again["log_evidence"].values).all()
    assert np.isfinite(whole["incremental_ess"].values).all()
    said = str(diagnose(whole))
    assert "particles" in said
    assert "temperature" not in said.split("use")[0]


class Gains:
    """Steps whose particles gain these weights."""

    def __init__(self, *weights):
        self.weights = weights

    def moves(self, x, y, guided):
        for w in self.weights:
            yield lambda z, shape, w=w: (torch.zeros(*shape, 1), torch.tensor(w).double().log().unsqueeze(1))


def test_the_weights_of_the_last_step_are_looked_at():
    """P (Σ u)² / Σ u² of each step's weights u, the last one too, after which nothing is resampled."""
    x = torch.zeros(1, 1, 3)
    for weights, least in (
        (([1.0, 1, 1, 1], [1.0, 1, 0, 0]), 2.0),
        (([1.0, 0, 0, 0], [1.0, 1, 0, 0]), 1.0),
        (([3.0, 1, 0, 0],), 1.6),
        (([1.0, 1, 1, 1], [1.0, 1, 1, 1], [0.0, 0, 0, 0]), 0.0),
    ):
        crowd = Crowd(1, 4, 1, torch.device("cpu"))
        moments = list(follow(Gains(*weights), x, None, crowd, "prior"))
        assert len(moments) == len(weights)
        assert float(crowd.incremental_ess) == pytest.approx(least)
    _, m, x = known()
    ordinary = log_evidence(m, x, ParticleFilter(100, 4))
    x[..., -1] += 20
    found = log_evidence(m, x, ParticleFilter(100, 4))
    assert (found["incremental_ess"].values < 5).all()
    assert (ordinary["incremental_ess"].values > 5).all()  # the control


@pytest.mark.parametrize("proposal", ["prior", "guide"])
def test_filter_and_smoother_are_kalmans(proposal):
    law, m, x = known()
    exact = law.filter(x), law.smooth(x)
    found = (
        filter_states(m, x, particles=20_000, proposal=proposal),
        smooth_states(m, x, particles=600, trajectories=300, proposal=proposal),
    )
    for beliefs, seen, room in zip(exact, found, (0.06, 0.25), strict=True):
        assert abs(seen["mean"].values - beliefs.mean.numpy()).max() < room
        sd = beliefs.covariance.diagonal(dim1=-2, dim2=-1).sqrt().numpy()
        assert abs(seen["sd"].values - sd).max() < room
    assert (found[1]["sd"].values.mean(0)[:-1] < found[0]["sd"].values.mean(0)[:-1]).all()


def test_forecasts_are_those_of_the_law():
    law, m, x = known()
    found = forecast(m, x, 5, particles=20_000)
    assert dict(found.sizes) == {"sample": 20_000, "datum": 5, "channel": 1, "step": 3, "level": 3}
    assert found["step"].values.tolist() == [5, 6, 7]
    known_so_far = law.filter(x[..., :5])
    mean, covariance = known_so_far.mean[:, -1], known_so_far.covariance[-1]
    for t in range(3):
        mean = mean @ law.transition.T
        covariance = law.transition @ covariance @ law.transition.T + law.push
        sd = float((law.emission @ covariance @ law.emission.T + law.noise).sqrt())
        draws = found["draw"].values[:, :, 0, t]
        assert draws.mean(0) == pytest.approx((mean @ law.emission.T)[:, 0].numpy(), abs=0.06)
        assert draws.std(0) == pytest.approx(sd, rel=0.05)
        low, _, high = found["quantile"].values[:, :, 0, t]
        assert (high - low) / sd == pytest.approx(2 * 1.645, rel=0.06)


def test_the_exact_evidence_of_a_linear_model():
    """One site of a normal joint: closed forms of other models hold for this one as it is."""
    _, m, _ = known()
    x = load("linear-gaussian").test.x[:50, :, :8].numpy()
    short = pyrogen.data.from_arrays(x_train=x, x_test=x, kind="real", standardize=False)
    gap = posterior_gap(m, short, 0, estimator=ParticleFilter(400, 16))
    assert gap == pytest.approx(0, abs=0.05)


def test_missing_steps_are_left_out():
    """log p of what was seen is the same whether the rest is missing or marginal, and holes are filled."""
    law, m, x = known()
    torch.manual_seed(0)
    holed = pyrogen.create(
        "vae-sequential",
        x_shape=(1, 8),
        latent_size=2,
        transition="Linear",
        hidden=(),
        emission={"name": "Masked", "likelihood": {"name": "Normal", "scale": "fixed", "value": 0.5}},
        net={"name": "LSTM", "width": 4},
    )
    holed.load_state_dict(m.state_dict())
    part = x.clone()
    part[..., 5:] = torch.nan
    found = log_evidence(holed, part, ParticleFilter(400, 16))
    exact = law.log_prob(x[..., :5]).numpy()
    assert abs((found["log_evidence"].values - exact) / found["mc_se"].values).max() < 4.5


def test_bits_and_their_states_add_up():
    """All rolls of two keys and three steps have probability one together, by the filter."""
    m = net(x_shape=(2, 3), emission="Bernoulli", latent_size=1)
    every = torch.tensor(list(itertools.product([0.0, 1.0], repeat=6))).reshape(-1, 2, 3)
    found = log_evidence(m, every, ParticleFilter(300, 8))
    assert float(np.exp(found["log_evidence"].values).sum()) == pytest.approx(1, abs=0.02)


def test_a_gap_in_a_sequence_is_filled():
    _, m, x = known()
    seen = torch.ones(1, 8, dtype=torch.bool)
    seen[:, 3:5] = False
    found = complete(
        m, x[:2], seen, num_draws=19, estimator=AIS(temperatures=5, chains=20, leapfrogs=1, doubling=False)
    )
    assert found["draw"].shape[-1] == 8


# ------------------------------------------------------------------------------------------------------- entries


@pytest.mark.parametrize("looks", ["ahead", "back", "both"])
def test_features_of_a_step_see_what_they_are_to_see(looks):
    m, x = net(looks=looks), torch.randn(1, 2, LENGTH)
    with torch.no_grad():
        before = m.encoder.net(x)
        for t in range(LENGTH):
            other = x.clone()
            other[..., t] += 1
            moved = (m.encoder.net(other) - before).abs().amax((0, 1, 3)) > 0
            expected = [{"ahead": s <= t, "back": s >= t, "both": True}[looks] for s in range(LENGTH)]
            assert moved.tolist() == expected


@pytest.mark.parametrize("posterior", ["Smoother", "Ladder", "DiagonalNormal"])
def test_every_posterior_is_scored_against_the_same_joint(posterior):
    """Where the data say nothing a smoother is the prior; its own draws have log weights whose mean of exp is p(x).

    A posterior of another form is farther from the prior, and finds less.
    """
    law, m, x = known(posterior)
    with torch.no_grad():
        m.encoder.net.head.weight.mul_(0.01)
    found = log_evidence(m, x, IWAE(20_000))
    above, error = found["log_evidence"].values - law.log_prob(x).numpy(), found["mc_se"].values
    assert (above / error).max() < 4.5
    if posterior == "Smoother":
        assert (above / error).min() > -4.5
        assert error.max() < 0.3
    assert above.min() > (-60 if posterior == "DiagonalNormal" else -5)
    assert m.encode(x).mean.shape == (5, 16)


@pytest.mark.parametrize("sequence", ["Transformer", "NGram"])
def test_any_network_of_sequences_reads_them(sequence):
    m = net(net={"name": sequence, "width": 8})
    assert m.encode(torch.randn(3, 2, LENGTH)).sample().shape == (3, 2 * LENGTH)


def test_the_recorded_step_is_the_eager_one():
    x = torch.randn(24, 2, 3).numpy()
    losses = []
    for how in ("auto", False):
        small = net(x_shape=(2, 3), net={"name": "LSTM", "width": 3})
        run = pyrogen.fit(small, {"x_train": x}, epochs=3, batch_size=8, device="cpu", progress=False, compile=how)
        losses.append([row["train/loss"] for row in run.records if "train/loss" in row])
    assert losses[0] == losses[1]


def test_the_command_line_from_data_to_report(tmp_path, capsys):
    law = turning(6)
    path, folder = tmp_path / "seen.npz", str(tmp_path / "run")
    parts = {f"x_{split}": law.sample(n, torch.Generator().manual_seed(n))[0].numpy() for split, n in SPLIT.items()}
    np.savez(path, **parts)
    words = ["--epochs", "1", "--transition", "Linear", "--net.width", "4", "--hidden", "4", "--latent_size", "2"]
    assert main(["train", "vae-sequential", "--data", str(path), "--kind", "real", *words, "--folder", folder]) == 0
    wished = ["--estimator", "ParticleFilter", "--estimator.particles", "10"]
    assert main(["evaluate", folder, *wished]) == 0
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    for said in (
        "filtered, given the steps so far",
        "What may follow the first 4 steps",
        "ParticleFilter(particles=10",
    ):
        assert said in page
    assert "could not be shown" not in page
    capsys.readouterr()


def test_the_page_says_how_far_the_model_is_from_its_law():
    _, m, x = known()
    data = SimpleNamespace(law=turning(8), standardize=False, test=Split(x))
    (panel,) = state_sections.law(m, data, [])
    assert "nats in each; by a particle filter the model is" in panel.caption
    assert not [*state_sections.law(m, SimpleNamespace(law=None, standardize=False), [])]


SPLIT = {"train": 40, "valid": 10, "test": 12}
REFUSED = {
    "a picture": (lambda: net(x_shape=(1, 4, 4)), r"a state at each step of a sequence.*got x_shape=\(1, 4, 4\)"),
    "one step": (lambda: net(x_shape=(2, 1)), r"T of 2 or more, and got x_shape=\(2, 1\)"),
    "no state": (lambda: net(latent_size=0), "latent_size=0: a size is 1 or more"),
    "elsewhere": (lambda: net(looks="up"), "choose 'ahead', 'back' or 'both'"),
    "words": (lambda: Stepwise({"name": "Tokens", "words": 3}), "Autoregressive"),
    "twice": (lambda: Stepwise(Stepwise()), "use Stepwise"),
    "digits": (lambda: pyrogen.create("vae", x_shape=(1, 8, 8), prior="Markov"), r"got x_shape=\(1, 8, 8\)"),
    "shares": (
        lambda: pyrogen.create("vae", x_shape=(2, 4), latent_size=6, prior="Markov", likelihood="Normal"),
        "a multiple of 4, such as latent_size=8",
    ),
    "many correlations": (lambda: net(posterior="FullRankNormal"), "cannot share out among their 6"),
    "no hidden unit": (lambda: Markov(Gated(hidden=0)), "1 unit or more"),
    "no feature": (lambda: Smoother(features=0), "1 number or more"),
    "no transition": (lambda: make("prior", {"name": "Markov", "transition": "Wild"}), "no transition called 'Wild'"),
    "a sequence of pictures": (lambda: Stepwise().size(torch.Size([3, 4, 4])), r"takes sequences.*\(3, 4, 4\)"),
    "the particles of a plain model": (
        lambda: log_evidence(pyrogen.create("vae", x_shape=(4,)), torch.zeros(2, 4), ParticleFilter()),
        "has no latents one after the other.*IWAE",
    ),
    "the states of a plain model": (
        lambda: filter_states(pyrogen.create("vae", x_shape=(4,)), torch.zeros(2, 4)),
        "hides no state at each step; take a 'vae-sequential'",
    ),
    "a guide that ties nothing": (
        lambda: log_evidence(
            net(posterior="DiagonalNormal"), torch.zeros(2, 2, LENGTH), ParticleFilter(proposal="guide")
        ),
        "use posterior='Smoother', or proposal='prior'",
    ),
    "no particle": (lambda: ParticleFilter(particles=0), "particles >= 1"),
    "few populations": (lambda: ParticleFilter(populations=1), "populations >= "),
    "a wild proposal": (lambda: ParticleFilter(proposal="x"), "choose 'prior' or 'guide'"),
    "a share": (lambda: ParticleFilter(threshold=2.0), "from 0 to 1"),
    "nothing to come": (lambda: forecast(net(), torch.zeros(2, 2, LENGTH), LENGTH), "of 6 steps 1 to 5 can be known"),
    "one particle": (lambda: filter_states(net(), torch.zeros(2, 2, LENGTH), particles=1), "at least 2"),
    "one trajectory": (lambda: smooth_states(net(), torch.zeros(2, 2, LENGTH), trajectories=1), "at least 2"),
    "other data": (lambda: filter_states(net(), torch.zeros(2, 3, LENGTH)), r"takes x of shape \(B, 2, 6\)"),
}


@pytest.mark.parametrize(("ask", "message"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_work_is_refused(ask, message):
    with pytest.raises(ValueError, match=message) as caught:
        ask()
    assert "\n" not in str(caught.value)
