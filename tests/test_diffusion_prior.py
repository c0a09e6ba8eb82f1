"""A diffusion as a prior: its density by quadrature, what it is fitted to, and the stages in which that is done."""

import math

import pytest
import torch

import pyrogen
from pyrogen.base import Batch
from pyrogen.conditions import UNKNOWN
from pyrogen.inference import ELBO, IWAE, fit, log_evidence
from pyrogen.priors import DiffusionPrior

X = torch.bernoulli(torch.full((6, 1, 3, 3), 0.4), generator=torch.Generator().manual_seed(0))


def vae(latent_size=1, noise=0.4):
    torch.manual_seed(0)
    prior = DiffusionPrior(hidden=(8, 8), steps=8)
    made = pyrogen.create("vae", x_shape=(1, 3, 3), latent_size=latent_size, hidden=(6,), prior=prior)
    with torch.no_grad():
        for p in made.prior.parameters():
            p.add_(noise * torch.randn_like(p))
    return made.eval()


def grid(latent_size, points):
    line = torch.linspace(-8, 8, points)
    return torch.cartesian_prod(*[line] * latent_size).reshape(-1, latent_size), (16 / (points - 1)) ** latent_size


@pytest.mark.parametrize(("latent_size", "points"), [(1, 200), (2, 45)])
@torch.no_grad()
def test_its_density_integrates_to_one_and_is_that_of_its_draws(latent_size, points):
    prior = vae(latent_size).prior
    z, cell = grid(latent_size, points)
    mass = prior().log_prob(z).exp() * cell
    assert float(mass.sum()) == pytest.approx(1, abs=2e-3)
    normal = torch.distributions.Normal(0.0, 1.0).log_prob(z).sum(-1).exp() * cell
    assert float((mass - normal).abs().sum()) > 0.2
    drawn = prior().sample((5_000,))
    for moment in (lambda z: z, lambda z: z.square()):
        expected = (mass.unsqueeze(-1) * moment(z)).sum(0)
        torch.testing.assert_close(moment(drawn).mean(0), expected, atol=0.12, rtol=0)


def test_it_begins_as_the_standard_normal_asleep_or_not():
    made, z = vae(3, noise=0.0), torch.randn(5, 3)
    normal = torch.distributions.Normal(0.0, 1.0).log_prob(z).sum(-1)
    for awake in (True, False):
        made.prior.wake(awake)
        torch.testing.assert_close(made.prior().log_prob(z), normal)


@torch.no_grad()
def test_the_error_of_the_solver_falls_like_the_fourth_power_and_a_datum_is_scored_alike_in_any_batch():
    prior, z = vae(2).double().prior, torch.randn(20, 2, dtype=torch.float64)
    found = []
    for steps in (4, 8, 64):
        prior.steps = steps
        found.append(prior().log_prob(z))
    first, second = ((rough - found[-1]).abs().mean() for rough in found[:2])
    assert 8 < float(first / second) < 32
    assert float(second) < 1e-3
    torch.testing.assert_close(prior().log_prob(z[:3]), found[-1][:3])


def test_evidence_under_it_is_that_of_quadrature():
    made = vae(1)
    z, cell = grid(1, 160)
    with torch.no_grad():
        log_joint = made.prior().log_prob(z).unsqueeze(1) + made.decode(z.unsqueeze(1)).log_prob(X[:3])
        truth = (log_joint.double().logsumexp(0) + math.log(cell)).numpy()
    found = log_evidence(made, X[:3], IWAE(60))
    assert abs((found["log_evidence"].values - truth) / found["mc_se"].values).max() < 4.5
    assert (log_evidence(made, X[:1], ELBO())["log_evidence"].values < truth[:1] + 0.05).all()


def test_it_learns_where_codes_are():
    prior = vae(1, noise=0.0).prior
    (stage,) = prior.stages(lambda batch: batch)
    stage.enter()
    torch.manual_seed(0)
    z = torch.where(torch.rand(600, 1) < 0.5, -1.5, 1.5) + 0.3 * torch.randn(600, 1)
    optimizer = torch.optim.Adam(prior.parameters(), 0.02)
    for _ in range(120):
        optimizer.zero_grad()
        stage.players[0].loss(Batch(z))["loss"].backward()
        optimizer.step()
    with torch.no_grad():
        found = prior().log_prob(z).mean()
    both = torch.stack([torch.distributions.Normal(m, 0.3).log_prob(z) for m in (-1.5, 1.5)])
    truth = (both.logsumexp(0) - math.log(2)).mean()
    normal = torch.distributions.Normal(0.0, 1.0).log_prob(z).mean()
    assert float(truth - normal) > 0.9
    assert float(truth - found) < 0.25


def test_fit_trains_the_model_first_and_then_the_prior_alone(tmp_path):
    torch.manual_seed(0)
    made = pyrogen.create("vae", x_shape=(1, 3, 3), latent_size=2, hidden=(6,), prior=DiffusionPrior(hidden=(8,)))
    first, second = made.stages()
    assert second.name == "prior"
    first.enter()
    assert not made.prior.awake.on
    data = {"x_train": X.repeat(4, 1, 1, 1).numpy()}
    kept = {}

    class Watch(ELBO):
        def players(self, model):
            kept.update({k: v.clone() for k, v in model.named_parameters()})
            return super().players(model)

    made.objective = Watch()
    fit(made, data, epochs=2, batch_size=8, progress=False, device="cpu", validate=False)
    moved = {k.split(".")[0] for k, v in made.named_parameters() if not torch.equal(v, kept[k])}
    assert moved == {"encoder", "decoder", "prior"}
    assert made.prior.awake.on
    # of the second stage alone only the prior
    made.zero_grad()
    second.players[0].loss(Batch(X))["loss"].backward()
    pulled = {k.split(".")[0] for k, p in made.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
    assert pulled == {"prior"}
    made.zero_grad()
    made.save(tmp_path)
    z = torch.randn(3, 2)
    with torch.no_grad():
        torch.testing.assert_close(pyrogen.load(tmp_path).prior().log_prob(z), made.prior().log_prob(z))


def test_a_given_objective_trains_the_model_and_then_it_is_fitted():
    made = pyrogen.create("vae", x_shape=(1, 3, 3), latent_size=2, hidden=(6,), prior=DiffusionPrior(hidden=(4,)))
    before = {k: v.clone() for k, v in made.named_parameters()}
    run = fit(
        made, {"x_train": X.numpy()}, ELBO(), epochs=2, batch_size=6, progress=False, device="cpu", validate=False
    )
    assert run.settings["epochs"] == {"training": 2, "prior": 2}
    moved = {k.split(".")[0] for k, v in made.named_parameters() if not torch.equal(v, before[k])}
    assert moved == {"encoder", "decoder", "prior"}


@pytest.mark.parametrize("y", [None, torch.tensor([0, UNKNOWN, 2, 1, UNKNOWN, 0])], ids=["no y", "some y"])
@pytest.mark.parametrize(("prior", "posterior"), [("DiffusionPrior", "DiagonalNormal"), ("MaskedPrior", "Bernoulli")])
def test_where_labels_are_latents_it_is_fitted_to_the_codes_at_the_named_ones(prior, posterior, y):
    made = pyrogen.create(
        "vae-semi-supervised",
        x_shape=(1, 3, 3),
        classes=3,
        latent_size=2,
        hidden=(6,),
        prior=prior,
        posterior=posterior,
    )
    first, second = made.stages()
    first.enter()
    assert not made.vae.prior.awake.on
    assert [*first.players[0].resting()] == [id(p) for p in made.vae.prior.parameters()]
    second.enter()
    assert made.vae.prior.awake.on
    (player,) = second.players
    player.loss(Batch(X[:6], y))["loss"].backward()
    pulled = {k.split(".")[1] for k, p in made.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
    assert (second.name, pulled) == ("prior", {"prior"})


def test_nonsense_is_refused_in_a_sentence():
    for build, sentence in (
        (lambda: DiffusionPrior(hidden=(0,)).size(2), "a size is 1 or more"),
        (lambda: vae(300), "takes a slope for each of 300 elements"),
        (lambda: DiffusionPrior(steps=0).size(2), "steps=0: an equation is followed in 1 step or more"),
        (
            lambda: pyrogen.create("vae", x_shape=(4,), prior="DiffusionPrior", posterior="PointMass"),
            "the prior DiffusionPrior is learned and the posterior PointMass has no density",
        ),
    ):
        with pytest.raises(ValueError, match=sentence) as caught:
            build()
        assert "\n" not in str(caught.value)
