"""What every entry of the zoo keeps: it builds, trains, samples, saves, and stock Pyro takes it for its own."""

import math
from dataclasses import replace

import numpy as np
import pyro
import pytest
import torch
from pyro import poutine
from pyro.infer import SVI, Predictive, RenyiELBO, Trace_ELBO, TraceMeanField_ELBO
from smallest import small
from torch import nn

import pyrogen
from pyrogen import registry
from pyrogen.base import Batch, HasFreeEnergy, HasLogProb, HasPosterior, Model, Objective, Pair, Player
from pyrogen.conditions import UNKNOWN
from pyrogen.inference import ELBO, IWAE, Reconstruction, fit, log_evidence
from pyrogen.models.adversarial.gan import GAN

pytestmark = pytest.mark.usefixtures("empty_store")

NAMES = pyrogen.list_models()
# a difference of scores, as of the hinge within its margins, or of energies does not know their common level
HINGED = ("gan-hinge", "sngan", "wgan", "wgan-gp", "sagan", "biggan", "progan")
LEVELLESS = {(name + end, "critic.net.head.bias") for name in HINGED for end in ("", "-paper")} | {
    ("ebm", "energy.net.3.bias")
}
# and what makes the colours of a small image rests where a network has grown beyond it
REST = {
    ("progan" + end, f"{net}.colours.0.{part}")
    for end in ("", "-paper")
    for net, own in (("critic.net.features", "0."), ("generator.net.layers.0", ""))
    for part in (f"{own}bias", f"{own}parametrizations.weight.original")
}


def is_weighable(m):
    """Pairs of which every latent has a density."""
    return isinstance(m, Pair) and (not hasattr(m, "posterior") or m.posterior.has_density)


def is_reparameterized(m):
    """Of these, the pairs through whose draws gradients flow."""
    trace = poutine.trace(m.guide).get_trace(torch.zeros(2, *m.x_shape), condition_of(m, 2))
    return all(trace.nodes[site]["fn"].has_rsample for site in trace.stochastic_nodes)


def condition_of(m, n):
    if m.condition is None:
        return None
    real = m.condition.classes is None
    return torch.zeros(n, *m.condition.shape, dtype=torch.float32 if real else torch.long)


ONE = {name: small(name) for name in NAMES}  # to be asked what it is, and no more
PAIRS = [name for name, m in ONE.items() if isinstance(m, Pair)]
WEIGHABLE = [name for name in PAIRS if is_weighable(ONE[name])]
SMOOTH = [name for name in WEIGHABLE if is_reparameterized(ONE[name])]


@pytest.fixture
def some(draws, conditions):
    """``some(model, n)``: arguments of its programs, x and, where it looks at one, y."""

    def build(m, n=6, seed=0):
        x, y = draws(m.kinds[-1], n, *m.x_shape, seed=seed), conditions(m, n)
        if y is not None and m.condition.optional:
            y[::2] = UNKNOWN
        return (x,) if y is None else (x, y)

    return build


def state(model):
    return {k: v.clone() for k, v in model.state_dict().items()}


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def quick(model, data, **settings):
    return fit(model, data, **{"epochs": 1, "batch_size": 8, "seed": 0, "device": "cpu", "progress": False, **settings})


def test_the_zoo_is_about_models_and_not_about_vaes():
    models = ONE.values()
    assert all(isinstance(m, Model) for m in models)
    for capability in (Pair, HasPosterior, HasLogProb, HasFreeEnergy):
        assert 0 < sum(isinstance(m, capability) for m in models) < len(models)
    assert {len(m.objective.players(m)) for m in models} >= {1, 2}


@pytest.mark.rotating
@pytest.mark.parametrize("name", NAMES)
def test_builds_fits_and_samples(name, tiny_data, conditions):
    m = small(name)
    data = tiny_data(m)
    run = quick(m, data, epochs=2)
    assert run.model is m
    assert [row["epoch"] for row in run.records] == list(range(2 * len(m.stages()) + 1))
    losses = {k: v for row in run.records for k, v in row.items() if k.endswith("loss")}
    assert {k.split("/")[0] for k in losses} == {"train", "valid"}
    assert all(map(math.isfinite, losses.values()))
    assert not m.training
    assert m.origin["entry"] == name
    y = conditions(m, 5)
    x = m.sample(5, y)
    assert x.shape == (5, *m.x_shape)
    assert not x.requires_grad
    m.check(x, y)
    with pytest.raises(ValueError, match=r"takes x of shape \(B, .*got \(5, 3\)"):
        m.check(torch.zeros(5, 3))


class Only(Objective):
    """One of a model's players, alone."""

    def __init__(self, player, own):
        self.player, self.own = player, own

    def players(self, model):
        return [replace(p, idle=[model]) for p in self.own.players(model) if p.name == self.player]


@pytest.mark.parametrize(
    ("n", "why"), [(0, "at least 1"), (-1, "at least 1"), (2.5, "whole number"), (None, "whole number")]
)
def test_a_number_of_draws_that_is_none_is_refused(n, why):
    for name, m in ONE.items():
        with pytest.raises(ValueError, match=f"n={n}: .*{why}"):
            print(name, m.sample(n).shape)  # which is told of whom it was not refused


MOVES = [(name, player.name) for name, m in ONE.items() for player in m.objective.players(m)]


@pytest.mark.rotating
@pytest.mark.parametrize(("name", "player"), MOVES, ids=["-".join(m) for m in MOVES])
def test_a_player_moves_what_it_owns_and_nothing_else(name, player, tiny_data):
    m = small(name)
    before, m.objective = state(m), Only(player, m.objective)
    *others, last = m.stages()
    owned = {id(p) for p in last.players[0].parameters()}
    assert owned
    quick(m, tiny_data(m), epochs={last.name: 2, **{stage.name: 0 for stage in others}} if others else 2)
    for key, p in m.named_parameters():
        assert p.requires_grad, key
        if id(p) in owned:
            assert torch.isfinite(p.grad).all(), key
            assert not torch.equal(p, before[key]) or (name, key) in LEVELLESS | REST, key
        else:
            assert p.grad is None, key
            assert torch.equal(p, before[key]), key


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_has_an_owner(name):
    m = small(name)
    owned = {id(p) for player in m.objective.players(m) for p in player.parameters()}
    assert {k for k, p in m.named_parameters() if id(p) not in owned} == set()


def normed_gan():
    generator = nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2))
    critic = nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 1))
    return GAN(generator, critic, (2,), 2)


@pytest.mark.parametrize(("mover", "opponent"), [("generator", "critic"), ("critic", "generator")])
def test_an_opponents_batch_norm_stands_still(mover, opponent, tiny_data):
    m = normed_gan()
    before = state(m)
    quick(m, tiny_data(m), objective=Only(mover, m.objective), validate=False)
    moved = {k for k, v in m.state_dict().items() if not torch.equal(v, before[k])}
    assert {k.split(".")[0] for k in moved} == {mover}
    assert any("running_mean" in k for k in moved)
    assert all(n.track_running_stats for n in m.modules() if isinstance(n, nn.BatchNorm1d))


def test_validation_leaves_batch_norm_alone(tiny_data):
    data, finals = tiny_data(normed_gan()), []
    for validate in (True, False):
        torch.manual_seed(0)
        m = normed_gan()
        quick(m, data, validate=validate)
        finals.append(state(m))
    assert same(*finals)


def test_a_player_that_fails_unfreezes_the_others(tiny_data):
    class Failing(Objective):
        def players(self, model):
            def loss(batch):
                raise ArithmeticError("in the middle of a move")

            return [Player("critic", loss, model.critic_modules(), idle=model.generator_modules())]

    m = normed_gan()
    with pytest.raises(ArithmeticError, match="in the middle"):
        quick(m, tiny_data(m), objective=Failing())
    assert all(p.requires_grad for p in m.parameters())
    assert all(n.track_running_stats for n in m.modules() if isinstance(n, nn.BatchNorm1d))


@pytest.mark.rotating
@pytest.mark.parametrize("name", NAMES)
def test_seeds_decide(name, tiny_data):
    def trained(weights, seed):
        m = small(name, weights)
        quick(m, tiny_data(m), seed=seed)
        return state(m)

    first = trained(0, 0)
    assert same(first, trained(0, 0))
    assert not same(first, trained(0, 1))
    assert not same(first, trained(1, 0))


def is_scored(m):
    """Whether there is a log p(x): a perceptual likelihood has none."""
    return isinstance(m, (HasLogProb, HasPosterior)) and (not hasattr(m, "likelihood") or m.likelihood.proper)


def estimator(m):
    if isinstance(m, HasLogProb):
        return "Exact"
    return IWAE(30) if m.origin["entry"] in WEIGHABLE else Reconstruction(10)


@pytest.mark.rotating
@pytest.mark.parametrize("name", NAMES)
def test_the_global_generators_are_left_alone(name, tiny_data):
    m = small(name)
    data = tiny_data(m)
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002  (the global one is meant)
    quick(m, data)
    if is_scored(m):
        log_evidence(m, data.test, estimator(m))
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (np.random.get_state()[1] == before[1]).all()  # noqa: NPY002


@pytest.mark.parametrize("name", [n for n in NAMES if is_scored(ONE[n])])
def test_scoring_changes_nothing_and_repeats(name, some):
    m = small(name)
    m.train()
    before, (x, *y) = state(m), some(m)
    first, second = (log_evidence(m, x, estimator(m), 0, *y)["log_evidence"].values for _ in "ab")
    assert first.shape == (6,)
    assert np.isfinite(first).all()
    assert (first == second).all()
    assert same(before, state(m))
    assert all(part.training for part in m.modules())
    assert all(p.grad is None and p.requires_grad for p in m.parameters())


@pytest.mark.rotating
@pytest.mark.parametrize("name", NAMES)
def test_save_and_load(name, tiny_data, conditions, tmp_path):
    m = small(name)
    quick(m, tiny_data(m))
    m.save(tmp_path / "a")
    loaded = pyrogen.load(tmp_path / "a")
    loaded.save(tmp_path / "b")
    assert type(loaded) is type(m)
    assert loaded.origin == m.origin
    assert same(m.state_dict(), loaded.state_dict())
    samples = []
    for model in (m, loaded):
        torch.manual_seed(5)
        samples.append(model.sample(4, conditions(model, 4)))
    assert torch.equal(*samples)
    for file in ("weights.safetensors", "config.yaml"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


# -------------------------------------------------------------------------------------------------- stock Pyro


VECTORIZED = {"num_particles": 3, "vectorize_particles": True, "max_plate_nesting": 1}
STOCK = {
    "Trace_ELBO": (Trace_ELBO, {}, PAIRS),
    "Trace_ELBO, 3 particles": (Trace_ELBO, VECTORIZED, PAIRS),
    "TraceMeanField_ELBO": (TraceMeanField_ELBO, {}, SMOOTH),
    "RenyiELBO": (RenyiELBO, VECTORIZED, SMOOTH),
}
STOCK_RUNS = [(loss, name) for loss, (_, _, names) in STOCK.items() for name in names]


@pytest.mark.rotating
@pytest.mark.parametrize(("loss", "name"), STOCK_RUNS, ids=[f"{n}-{k}" for k, n in STOCK_RUNS])
def test_stock_svi_moves_every_parameter_of_one_pair_after_the_other(loss, name, some):
    make_loss, arguments, _ = STOCK[loss]
    first, second = small(name), small(name, seed=1)
    given = some(first)
    for m, other in ((first, second), (second, first)):
        before, others = state(m), state(other)
        svi = SVI(m.model, m.guide, pyro.optim.Adam({"lr": 1e-2}), make_loss(**arguments))
        assert all(math.isfinite(svi.step(*given)) for _ in range(3))
        assert [k for k, p in m.named_parameters() if torch.equal(p, before[k])] == []
        assert same(others, state(other))
        assert not pyro.get_param_store().keys()


@pytest.mark.rotating
@pytest.mark.parametrize("name", PAIRS)
def test_stock_pyro_descends_to_where_fit_does(name, some):
    """The same number: minus the ELBO of one batch, summed by Pyro, averaged here."""
    m = small(name)
    with torch.no_grad():
        for p in m.parameters():
            p.add_(0.5 * torch.randn_like(p))  # where the KL is not nothing
    given = some(m)
    plain = isinstance(m.objective, ELBO) and m.objective.beta == 1
    (player,) = (m.objective if plain else ELBO()).players(m)
    many = range(2 if isinstance(m, HasLogProb) else 60)  # nothing is drawn where log p(x) is known
    with torch.no_grad():
        ours = torch.stack([player.loss(Batch(*given))["loss"] for _ in many])
        theirs = torch.tensor([Trace_ELBO().loss(m.model, m.guide, *given) for _ in many]) / len(given[0])
    error = float((ours.var() + theirs.var()) / len(many)) ** 0.5
    assert abs(float(ours.mean() - theirs.mean())) < 4.5 * error + 1e-3


@pytest.mark.parametrize("beta", [0.0, 1.0, 4.0])
def test_beta_weighs_the_kl(beta, draws):
    m = pyrogen.create("beta-vae", x_shape=(1, 8, 8), latent_size=2, hidden=(8,), beta=beta)
    (player,) = m.objective.players(m)
    terms = player.loss(Batch(draws("binary", 6, 1, 8, 8)))
    assert terms["kl"] > 0
    assert torch.allclose(terms["loss"], beta * terms["kl"] - terms["reconstruction"])


@pytest.mark.rotating
@pytest.mark.parametrize("name", PAIRS)
def test_predictive(name, some):
    for m in (small(name), small(name, seed=1)):
        given = some(m)
        m.after_training(*given)  # a flat prior has something to draw from only then
        predictive = Predictive(poutine.uncondition(m.model), guide=m.guide, num_samples=7, parallel=True)
        replicated = predictive(*given)["x"]
        assert replicated.shape == (7, 6, *m.x_shape)
        m.check(replicated.flatten(0, 1), *(y.repeat(7, *[1] * (y.dim() - 1)) for y in given[1:]))


@pytest.mark.parametrize("name", PAIRS)
def test_programs_have_one_plate_called_datum(name, some):
    m = small(name)
    given = some(m)
    guide = poutine.trace(m.guide).get_trace(*given)
    model = poutine.trace(poutine.replay(m.model, guide)).get_trace(*given)
    drawn, scored = (
        {k: s for k, s in trace.nodes.items() if s["type"] == "sample" and not poutine.util.site_is_subsample(s)}
        for trace in (guide, model)
    )
    assert all([f.name for f in s["cond_indep_stack"]] == ["datum"] for s in [*drawn.values(), *scored.values()])
    assert set(model.observation_nodes) == {"x"}
    assert set(scored) == {*drawn, "x"}


@pytest.mark.parametrize(
    "name", [n for n in WEIGHABLE if hasattr(ONE[n], "prior") and isinstance(ONE[n], HasPosterior)]
)
def test_condition(name, some):
    m = small(name).eval()  # words that are left out in training are others each time
    (x, *y), z = some(m), m.encode(*some(m, seed=1)).sample()
    trace = poutine.trace(poutine.condition(m.model, {"z": z})).get_trace(x, *y)
    with torch.no_grad():
        joint = m.decode(z, *y).log_prob(x) + m.prior(*y).log_prob(z)
        assert torch.allclose(trace.log_prob_sum(), joint.sum(), rtol=1e-5)


# ------------------------------------------------------------------------------------------------ leading dimensions


@pytest.mark.parametrize("name", [n for n in NAMES if isinstance(ONE[n], HasPosterior)])
def test_leading_dimensions(name, some):
    m = small(name)
    z, (x, *y) = torch.randn(3, 2, m.latent_size), some(m, 2)
    y = [m.condition_for(told, x) for told in y]
    p = m.decode(z, *y)
    assert (p.batch_shape, p.event_shape) == ((3, 2), m.x_shape)
    assert torch.allclose(p.mean, torch.stack([m.decode(row, *y).mean for row in z]), atol=1e-6)
    q = m.encode(*some(m))
    assert (q.batch_shape, q.event_shape) == ((6,), (m.latent_size,))


def test_made_scores_any_leading_dimensions(draws):
    m = small("made")
    x = draws("binary", 3, 2, *m.x_shape)
    assert torch.allclose(m.log_prob(x), torch.stack([m.log_prob(row) for row in x]), rtol=1e-5)


@pytest.mark.parametrize(
    ("likelihood", "x_shape", "levels"),
    [("Bernoulli", (2, 2, 2), 2), ("Bernoulli", (5,), 2), ("Categorical", (2,), 256), ("Categorical", (1, 2), 256)],
)
def test_made_sums_to_one(likelihood, x_shape, levels):
    m = pyrogen.create("made", x_shape=x_shape, hidden=(8,), likelihood=likelihood)
    with torch.no_grad():
        for p in m.parameters():
            p.add_(0.5 * torch.randn_like(p))
        every = torch.cartesian_prod(*[torch.arange(float(levels))] * math.prod(x_shape)).reshape(-1, *x_shape)
        total = sum(float(m.log_prob(part).double().exp().sum()) for part in every.split(8192))
    assert total == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("side", [28, 32, 64])
def test_convolutional_nets(side, channels, draws):
    shape = (channels, side, side)
    m = pyrogen.create("vae-conv", x_shape=shape, latent_size=3, width=4)
    x = draws("binary", 2, *shape)
    before = state(m)
    SVI(m.model, m.guide, pyro.optim.Adam({"lr": 1e-2}), Trace_ELBO(**VECTORIZED)).step(x)
    assert [k for k, p in m.named_parameters() if torch.equal(p, before[k])] == []
    assert m.decode(torch.randn(2, 3, 3)).mean.shape == (2, 3, *shape)
    assert m.sample(2).shape == (2, *shape)


# ---------------------------------------------------------------------------------------------------- own networks


def own(encoder=None, decoder=None, **choices):
    return pyrogen.vae(
        encoder=nn.Sequential(nn.Flatten(), nn.Linear(16, 4)) if encoder is None else encoder,
        decoder=nn.Linear(2, 16) if decoder is None else decoder,
        **{"x_shape": (1, 4, 4), "latent_size": 2, **choices},
    )


@pytest.mark.parametrize(
    ("choices", "width", "channels"),
    [
        ({}, 4, 1),
        ({"posterior": "FullRankNormal"}, 5, 1),
        ({"posterior": "PointMass", "prior": "Flat"}, 2, 1),
        ({"likelihood": "Normal"}, 4, 2),
        ({"likelihood": "Categorical", "prior": {"name": "VampPrior", "components": 3}}, 4, 256),
        ({"prior": "FlowPrior"}, 4, 1),
        ({"prior": "Bernoulli", "posterior": "Bernoulli"}, 2, 1),
        ({"prior": "Categorical", "posterior": "Categorical"}, 2, 1),
    ],
)
def test_own_networks(choices, width, channels, draws):
    encoder, decoder = nn.Sequential(nn.Flatten(), nn.Linear(16, width)), nn.Linear(2, 16 * channels)
    m = own(encoder, decoder, **choices)
    x = draws(m.kinds[0], 5, 1, 4, 4)
    before = state(m)
    SVI(m.model, m.guide, pyro.optim.Adam({"lr": 1e-2}), Trace_ELBO(**VECTORIZED)).step(x)
    assert [k for k, p in m.named_parameters() if torch.equal(p, before[k])] == []
    assert m.reconstruct(x).shape == x.shape
    assert m.encoder.net is encoder
    assert m.decoder.net is decoder


def test_an_empty_network_is_a_network():
    m = own(encoder=nn.Sequential(), x_shape=(4,), decoder=nn.Linear(2, 4))
    assert len(list(m.encoder.parameters())) == 0


def test_building_leaves_networks_as_they_were():
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.BatchNorm1d(8), nn.Dropout(), nn.Linear(8, 4)).train()
    before = state(encoder)
    m = own(encoder)
    assert same(before, state(encoder))
    assert all(part.training for part in encoder.modules())
    assert m.encoder.net is encoder
    decoder = nn.Linear(2, 16)
    generator = torch.get_rng_state()
    own(encoder, decoder)
    assert torch.equal(generator, torch.get_rng_state())


WRONG = {
    "encoder too wide": ({"encoder": nn.Sequential(nn.Flatten(), nn.Linear(16, 5))}, r"encoder gives 5 .*expected 4"),
    "encoder for another posterior": ({"posterior": "FullRankNormal"}, r"encoder gives 4 .*expected 5"),
    "decoder too small": ({"decoder": nn.Linear(2, 15)}, r"decoder gives 15 .*expected 16, shape \(1, 4, 4\)"),
    "decoder for another likelihood": ({"likelihood": "Normal"}, r"decoder gives 16 .*expected 32, shape \(2, 4, 4\)"),
    "encoder of other data": ({"encoder": nn.Sequential(nn.Flatten(), nn.Linear(9, 4))}, r"encoder.*\(.*1, 4, 4\)"),
    "decoder of other latents": ({"decoder": nn.Linear(3, 16)}, r"decoder.*2"),
    "encoder not flattened": ({"encoder": nn.Linear(4, 4)}, r"encoder gives 16 .*expected 4"),
    "another latent size": ({"latent_size": 3}, r"encoder gives 4 .*expected 6"),
}


@pytest.mark.parametrize(("arguments", "message"), WRONG.values(), ids=WRONG)
def test_networks_of_the_wrong_size_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message) as caught:
        own(**arguments)
    assert "\n" not in str(caught.value)


BAD_DATA = {
    "another shape": (lambda x: x[:, :, :3], r"takes x of shape \(B, 1, 8, 8\); got \(4, 1, 3, 8\)"),
    "one datum": (lambda x: x[0], r"takes x of shape \(B, 1, 8, 8\); got \(1, 8, 8\)"),
    "no data": (lambda x: x[:0], r"x has 0 rows"),
    "nan": (lambda x: x.where(x > 2, math.nan), r"4 of 4 data hold NaN"),
    "infinite": (lambda x: torch.cat([x[:3], x[3:] + math.inf]), r"1 of 4 data hold NaN or infinite"),
    "grey": (lambda x: 0.5 * x, r"binary"),
}


@pytest.mark.parametrize(("spoil", "message"), BAD_DATA.values(), ids=BAD_DATA)
@pytest.mark.parametrize("name", ["vae", "vae-conv", "autoencoder", "made", "rbm"])
def test_bad_data_are_refused(name, spoil, message, draws):
    m = small(name)
    x = spoil(draws("binary", 4, 1, 8, 8))
    for use in (m.check, lambda x: log_evidence(m, x, estimator(m))):
        with pytest.raises(ValueError, match=message) as caught:
            use(x)
        assert "\n" not in str(caught.value)


@pytest.mark.rotating
@pytest.mark.parametrize("name", NAMES)
def test_every_question_is_asked_or_refused_in_a_sentence(name, tiny_data):
    m = small(name).eval()
    data = tiny_data(m)
    for question in registry.choices("analysis"):
        refusal = registry.make("analysis", question).refusal(m, data)
        assert not refusal or (refusal.endswith(".") and "\n" not in refusal), (question, refusal)
