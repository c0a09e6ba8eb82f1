"""Latents on a grid: the same program as of a vector with the same numbers, and convolutions from end to end."""

import math

import numpy as np
import pyro
import pytest
import torch
from pyro.infer import SVI, Trace_ELBO, TraceMeanField_ELBO
from torch import nn
from torch.distributions import biject_to, kl_divergence

import pyrogen
from pyrogen.base import Batch
from pyrogen.command import options
from pyrogen.command.cli import main
from pyrogen.data import from_arrays
from pyrogen.distributions.finite import states
from pyrogen.distributions.shaped import Shaped
from pyrogen.inference import AIS, ELBO, BetaTC, Enumerate, fit, log_evidence, log_weights, sample_posterior, surgery
from pyrogen.inference.latents.activity import activity
from pyrogen.inference.latents.anatomy import pulls
from pyrogen.inference.latents.completion import complete
from pyrogen.inference.latents.temperature import sample_at
from pyrogen.inference.latents.walks import draw_latents, interpolate, traverse
from pyrogen.models.vae.semi_supervised import SemiSupervisedVAE
from pyrogen.registry import find, make

X_SHAPE, GRID, N = (1, 4, 4), (1, 2, 2), 4

AXES = {
    "normal": ("StandardNormal", "DiagonalNormal"),
    "every correlation": ("StandardNormal", "FullRankNormal"),
    "VampPrior": ({"name": "VampPrior", "components": 3}, "DiagonalNormal"),
    "flow prior": ({"name": "FlowPrior", "layers": 2, "hidden": 8}, "LowRankNormal"),
    "diffusion prior": ({"name": "DiffusionPrior", "hidden": (8,)}, "DiagonalNormal"),
    "levels": ("Hierarchical", "Ladder"),
    "climbing": ("StandardNormal", {"name": "SemiAmortized", "steps": 2}),
    "simplex": ("Dirichlet", "LogisticNormal"),
    "sphere": ("HypersphericalUniform", "VonMisesFisher"),
    "bits": ("Bernoulli", "Bernoulli"),
    "one class": ("Categorical", "Categorical"),
    "points": ("Flat", "PointMass"),
}


def pair_of(prior="StandardNormal", posterior="DiagonalNormal", name="vae", **more):
    """A model of a vector, and one of a grid of as many numbers with the same weights."""
    flat = pyrogen.create(name, x_shape=X_SHAPE, latent_size=N, hidden=(8,), prior=prior, posterior=posterior, **more)
    grid = pyrogen.create(
        name, x_shape=X_SHAPE, latent_size=GRID, hidden=(8,), prior=prior, posterior=posterior, **more
    )
    grid.load_state_dict(flat.state_dict())
    return flat, grid


def on_grid(z):
    return z.unflatten(-1, GRID)


def convolutional(**choices):
    return pyrogen.create("vae-conv", x_shape=(1, 8, 8), latent_size=(2, 4, 4), width=4, **choices)


@pytest.mark.parametrize("choices", AXES.values(), ids=AXES)
def test_a_grid_is_the_vector_of_its_numbers_under_every_prior_and_posterior(choices, draws):
    flat, grid = pair_of(*choices)
    x = draws("binary", 6, *X_SHAPE)
    for model in (flat, grid):
        model.after_training(x)
        model.eval()
    assert grid.latent_shape == GRID
    assert grid.encode(x).event_shape == GRID == grid.latent_prior().event_shape
    assert torch.equal(grid.code(x), on_grid(flat.code(x)))
    assert torch.equal(grid.features(x), flat.features(x))
    assert torch.equal(grid.reconstruct(x), flat.reconstruct(x))
    drawn = []
    for model in (flat, grid):
        torch.manual_seed(0)
        drawn.append(
            (model.encode(x).sample(), model.latent_prior().sample((3,)), model.sample(2), model.sample_mean(2))
        )
    assert all(torch.equal(a, on_grid(b)) for a, b in zip(drawn[1][:2], drawn[0][:2], strict=True))
    assert all(torch.equal(a, b) for a, b in zip(drawn[1][2:], drawn[0][2:], strict=True))
    z = torch.stack([drawn[0][0], drawn[0][0]])
    assert torch.equal(grid.decode(on_grid(z)).log_prob(x), flat.decode(z).log_prob(x))
    assert torch.equal(grid.latent_prior().log_prob(on_grid(z)), flat.latent_prior().log_prob(z))
    assert draw_latents(grid, 2).shape == (2, *GRID)


@pytest.mark.parametrize(
    "choices", [c for k, c in AXES.items() if k != "points"], ids=[k for k in AXES if k != "points"]
)
def test_weights_and_bounds_of_a_grid_are_those_of_its_vector(choices, draws):
    flat, grid = pair_of(*choices)
    x = draws("binary", 5, *X_SHAPE)
    weights, terms = [], []
    for model in (flat, grid):
        weights.append(log_weights(model, x, num_samples=7, seed=3).values)
        torch.manual_seed(0)
        terms.append(ELBO(num_samples=2).terms(model, Batch(x)))
    assert np.array_equal(*weights)
    assert all(torch.equal(terms[0][k], terms[1][k]) for k in terms[0])


def test_the_kl_of_grids_is_taken_in_closed_form(draws):
    flat, grid = pair_of()
    x = draws("binary", 5, *X_SHAPE)
    exact = kl_divergence(flat.encode(x), flat.latent_prior())
    assert torch.equal(kl_divergence(grid.encode(x), grid.latent_prior()), exact)
    assert torch.equal(ELBO().terms(grid, Batch(x))["kl"], exact.mean())  # without the noise of draws
    assert TraceMeanField_ELBO(num_particles=1).loss(grid.model, grid.guide, x) > 0
    with pytest.raises(NotImplementedError):
        kl_divergence(grid.encode(x), Shaped(flat.latent_prior(), torch.Size([2, 2, 1])))


@pytest.mark.parametrize("objective", ["ELBO", "IWAE", "DReG", "BetaTC", "TotalCorrelation"])
def test_training_moves_a_grid_as_its_vector(objective, draws):
    x = draws("binary", 20, *X_SHAPE)
    data = from_arrays(x, x_valid=x, x_test=x)
    models = pair_of()
    for model in models:
        goal = (
            ELBO() + make("objective", objective) if objective == "TotalCorrelation" else make("objective", objective)
        )
        fit(model, data, objective=goal, epochs=2, batch_size=10)
    for one, other in zip(*(m.state_dict().values() for m in models), strict=True):
        assert torch.allclose(one, other, atol=1e-6)


@pytest.mark.parametrize("elbo", [Trace_ELBO, TraceMeanField_ELBO])
def test_stock_pyro_trains_every_parameter_of_a_grid(elbo, draws):
    model = convolutional()
    before = [p.detach().clone() for p in model.parameters()]
    svi = SVI(model.model, model.guide, pyro.optim.Adam({"lr": 1e-2}), elbo())
    for _ in range(2):
        svi.step(draws("binary", 8, 1, 8, 8))
    assert not any(torch.equal(p, old) for p, old in zip(model.parameters(), before, strict=True))


def test_the_convolutional_vae_keeps_the_grid_and_has_no_dense_layer():
    model = convolutional()
    assert not any(isinstance(layer, nn.Linear) for layer in model.modules())
    x = torch.zeros(1, 1, 8, 8)
    moved = x.clone()
    moved[..., :2, :2] = 1
    change = (model.code(moved) - model.code(x)).abs().sum((0, 1))
    assert change[0, 0] > 0
    assert change[3].max() == 0 == change[:, 3].max()  # far away nothing is heard of it
    assert model.code(torch.zeros(3, 1, 8, 8)).shape == (3, 2, 4, 4)


@pytest.mark.parametrize(
    ("x_shape", "grid"), [((3, 9, 13), (5, 7)), ((3, 9, 13), (3, 4)), ((1, 28, 28), (14, 14)), ((1, 4, 8), (1, 1))]
)
def test_grids_are_as_fine_as_halvings_of_the_sides(x_shape, grid):
    model = pyrogen.create("vae-conv", x_shape=x_shape, latent_size=(2, *grid), width=2)
    assert model.sample(2).shape == (2, *x_shape)
    assert model.latent_shape == (2, *grid)


WRONG = {
    "sides": ({"latent_size": (4, 5, 5)}, r"5 × 5 .* x_shape=\(1, 8, 8\) gives, which are 4 × 4, 2 × 2, 1 × 1"),
    "sides of x": ({"latent_size": (4, 8, 8)}, r"8 × 8 .* x_shape=\(1, 8, 8\)"),
    "two numbers": ({"latent_size": (4, 4)}, r"a grid \(c, h, w\); got latent_size=\(4, 4\); use latent_size=16"),
    "posterior": (
        {"latent_size": (2, 4, 4), "posterior": "FullRankNormal"},
        r"the posterior FullRankNormal has 560 .*latent_size=\(2, 4, 4\), 32 .*posterior='DiagonalNormal'",
    ),
    "prior": (
        {"latent_size": (2, 4, 4), "prior": "Hierarchical", "posterior": "Ladder"},
        r"the prior Hierarchical has 22 .*latent_size=\(2, 4, 4\), 32 .*prior='StandardNormal'",
    ),
    "nothing": ({"latent_size": ()}, r"latent_size=\(\): a latent has a dimension at least"),
    "no channel": ({"latent_size": (0, 4, 4)}, r"latent_size=\(0, 4, 4\): a size is 1 or more"),
    "no number": ({"latent_size": (2, 4.5, 4)}, r"needs a whole number or whole numbers"),
}


@pytest.mark.parametrize(("choices", "match"), WRONG.values(), ids=WRONG)
def test_what_lies_on_no_grid_is_refused(choices, match):
    with pytest.raises(ValueError, match=match):
        pyrogen.create("vae-conv", x_shape=(1, 8, 8), **choices)


def test_latents_of_another_shape_are_refused():
    model = convolutional()
    with pytest.raises(ValueError, match=r"latents here are \(\.\.\., 2, 4, 4\); got \(3, 32\)\.$"):
        model.decode(torch.zeros(3, 32))
    with pytest.raises(ValueError, match=r"\(\.\.\., 2, 4, 4\); got \(3, 4, 2, 4\)"):
        model.latent_prior().log_prob(torch.zeros(3, 4, 2, 4))
    assert model.decode(torch.zeros(5, 3, 2, 4, 4)).batch_shape == (5, 3)


def test_a_shape_of_one_number_is_that_of_a_vector():
    torch.manual_seed(0)
    one = pyrogen.create("vae", x_shape=X_SHAPE, latent_size=(3,))
    torch.manual_seed(0)
    other = pyrogen.create("vae", x_shape=X_SHAPE, latent_size=3)
    assert one.latent_shape == other.latent_shape == (3,)
    assert isinstance(one.latent_prior(), type(other.latent_prior()))
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


def test_networks_of_ones_own_speak_in_grids(draws):
    class Apart(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = nn.Conv2d(1, 4, 2, stride=2)

        def forward(self, x):
            return self.net(x).chunk(2, 1)

    up, down = nn.ConvTranspose2d(2, 1, 2, stride=2), Apart()
    model = pyrogen.vae(encoder=down, decoder=up, x_shape=X_SHAPE, latent_size=(2, 2, 2))
    x = draws("binary", 3, *X_SHAPE)
    assert torch.equal(model.encode(x).mean, down(x)[0])
    assert torch.allclose(model.encode(x).variance, down(x)[1].exp(), rtol=1e-5)
    z = torch.randn(3, 2, 2, 2)
    assert torch.allclose(model.decode(z).mean, up(z).sigmoid())
    assert type(model.encode(x)) is Shaped
    with pytest.raises(ValueError, match=r"the decoder gives 36 numbers a datum, shape \(1, 6, 6\); expected 16"):
        pyrogen.vae(
            encoder=nn.Sequential(nn.Flatten(), nn.Linear(16, 36)), decoder=up, x_shape=X_SHAPE, latent_size=(2, 3, 3)
        )


def test_a_conditional_grid_reads_y_beside_it(draws):
    flat, grid = (
        pyrogen.create(
            "vae-conditional", x_shape=X_SHAPE, classes=3, latent_size=s, hidden=(8,), prior="ConditionalNormal"
        )
        for s in (N, GRID)
    )
    grid.load_state_dict(flat.state_dict())
    x, y = draws("binary", 3, *X_SHAPE), torch.tensor([0, 1, 2])
    assert torch.equal(grid.reconstruct(x, y), flat.reconstruct(x, y))
    assert grid.latent_prior(y).batch_shape == (3,)
    assert np.array_equal(*(log_weights(m, x, y=y, num_samples=4, seed=0).values for m in (flat, grid)))
    with pytest.raises(ValueError, match=r"latents \(1, 2, 2\); use latent_size=4"):
        SemiSupervisedVAE(grid, nn.Linear(16, 3), ELBO())


def test_a_saved_grid_comes_back(tmp_path, draws):
    model, x = convolutional(prior={"name": "VampPrior", "components": 3}), draws("binary", 3, 1, 8, 8)
    model.save(tmp_path)
    again = pyrogen.load(tmp_path)
    assert again.latent_shape == (2, 4, 4)
    assert torch.equal(again.code(x), model.code(x))


@pytest.mark.filterwarnings("ignore::pyrogen.inference.latents.mixing.MixingWarning")
@pytest.mark.parametrize("prior", ["StandardNormal", "Dirichlet"])
def test_chains_move_through_grids_as_through_vectors(prior, draws):
    posterior = {"StandardNormal": "DiagonalNormal", "Dirichlet": "LogisticNormal"}[prior]
    models, x = pair_of(prior, posterior), draws("binary", 2, *X_SHAPE)
    flat, grid = (sample_posterior(m, x, draws=6, chains=2, warm_up=4, seed=0)["posterior"]["z"] for m in models)
    assert grid.dims == ("chain", "draw", "datum", "z_dim_0", "z_dim_1", "z_dim_2")
    assert np.array_equal(grid.values.reshape(flat.shape), flat.values)


def test_grids_of_bits_and_of_classes_are_summed_over(draws):
    x = draws("binary", 3, *X_SHAPE)
    for kind in ("Bernoulli", "Categorical"):
        flat, grid = (log_evidence(m, x, Enumerate())["log_evidence"].values for m in pair_of(kind, kind))
        assert np.array_equal(flat, grid)
    p = pair_of("Bernoulli", "Bernoulli")[1].latent_prior()
    assert states(p).shape == (2**N, *GRID)
    assert torch.allclose(p.log_prob(states(p)), torch.tensor(-N * math.log(2)))
    assert p.support.is_discrete


def test_the_support_of_a_grid_asks_of_all_its_numbers_together():
    support = pair_of("Dirichlet", "LogisticNormal")[1].latent_prior().support
    z = torch.tensor([0.1, 0.2, 0.3, 0.4]).reshape(GRID)
    assert support.check(z)
    assert not support.check(z + 0.1)
    way = biject_to(support)
    assert way.inverse_shape((5, *GRID)) == (5, N - 1)
    assert torch.allclose(way(way.inv(z)), z, atol=1e-6)


def test_what_asks_for_coordinates_finds_those_of_a_grid(draws):
    models, x = pair_of(), draws("binary", 12, *X_SHAPE)
    split = from_arrays(x, x_valid=x, x_test=x).test
    used = [activity(m, split) for m in models]
    assert used[0]["kl_per_dim"] == used[1]["kl_per_dim"]
    assert used[0]["active_units"] == used[1]["active_units"]
    apart = [surgery(m, x, draws=2, permutations=9, seed=0) for m in models]
    assert np.array_equal(apart[0]["rate"].values, apart[1]["rate"].values)
    assert apart[1]["latent"].values.tolist() == ["z[0,0,0]", "z[0,0,1]", "z[0,1,0]", "z[0,1,1]"]
    assert np.array_equal(*(pulls(m, x[:1], 2, draws=5).kl for m in models))
    charged = []
    for m in models:
        torch.manual_seed(0)
        charged.append(BetaTC().terms(m, Batch(x))["loss"])
    assert torch.equal(*charged)
    assert torch.equal(*(sample_at(m, 3, 0.5, seed=0) for m in models))
    flat, grid = models
    assert torch.equal(interpolate(grid, x[:2], x[2:4]), interpolate(flat, x[:2], x[2:4]))
    values = torch.linspace(-1, 1, 3).repeat(2, 1)
    rows = [traverse(m, m.code(x[:1])[0], (0, 3), values) for m in models]
    assert torch.equal(*rows)
    seen = torch.zeros(X_SHAPE, dtype=torch.bool)
    seen[..., :2] = True
    filled = [
        complete(m, x[:2], seen, num_draws=3, estimator=AIS(2, 4, leapfrogs=1, doubling=False), seed=0)[
            "log_predictive"
        ].values
        for m in models
    ]
    assert np.array_equal(*filled)


METRICS = [
    "posterior-gap",
    "angle-to-pca",
    "prior-two-sample",
    "neighbour-accuracy",
    "aggregate-p-value",
    "energy-distance",
]


@pytest.mark.parametrize("metric", METRICS)
def test_metrics_of_codes_see_the_numbers_of_a_grid(metric, draws):
    flat, grid = (
        pyrogen.create(
            "vae",
            x_shape=(16,),
            latent_size=s,
            hidden=(),
            likelihood={"name": "Normal", "scale": "fixed", "value": 1.0},
        )
        for s in (N, GRID)
    )
    grid.load_state_dict(flat.state_dict())
    x, y = draws("real", 20, 16), torch.arange(20) % 2
    data = from_arrays(x, y, x_valid=x, y_valid=y, x_test=x, y_test=y, standardize=False)
    found = [find("metric", metric).load()(m, data, 0) for m in (flat, grid)]
    assert np.array_equal(*(getattr(f, "each", f) for f in found))


def test_the_shell_trains_a_grid_and_reports_of_it(tmp_path):
    run = tmp_path / "run"
    words = f"train vae-conv --data digits --epochs 1 --width 2 --folder {run} --latent-size 1,2,2"
    assert main(words.split()) == 0
    assert pyrogen.load(run).latent_shape == (1, 2, 2)
    assert all((run / "figures" / f"{name}.svg").exists() for name in ("latents", "aggregated", "pairs", "traversals"))


TYPED = {
    "2,4,4": [2, 4, 4],
    "[2,4,4]": [2, 4, 4],
    "2 4 4": [2, 4, 4],
    "3,": [3],
    "3": 3,
}


@pytest.mark.parametrize("typed", TYPED)
def test_the_shell_reads_one_size_as_one_and_several_as_a_shape(typed):
    parser = options.parser("train", "Train.")
    build = find("entry", "vae-conv").load()
    axes = options.add_function(parser, build, options.unspoken(build))
    found = options.parse(parser, ["--latent_size", *typed.split()], axes)
    assert found.latent_size == TYPED[typed]


def test_the_shell_says_which_grids_there_are(capsys, tmp_path):
    words = f"train vae-conv --data digits --epochs 1 --folder {tmp_path / 'run'} --latent-size 2,3,3"
    assert main(words.split()) != 0
    assert "which are 4 × 4, 2 × 2, 1 × 1" in capsys.readouterr().err
    assert main(f"train vae-conv --data digits --latent-size x --folder {tmp_path / 'run'}".split()) != 0
    assert "takes a whole number or several, as 8,4; got 'x'" in capsys.readouterr().err
