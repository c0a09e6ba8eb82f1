"""Codebooks, the pairs that are made of them, the priors over their codes, and what is reported of their use."""

import math
from dataclasses import replace

import numpy as np
import pyro
import pytest
import torch
from pyro.infer import SVI, Trace_ELBO

import pyrogen
from pyrogen.base import Batch
from pyrogen.data import from_arrays
from pyrogen.distributions.certain import Certain
from pyrogen.distributions.finite import OneHotGrid
from pyrogen.inference import ELBO, IWAE, Enumerate, Reconstruction, fit, log_evidence, log_weights
from pyrogen.inference.metrics.codebooks import code_counts, code_gain, codebook_use
from pyrogen.inference.objectives.quantization import VectorQuantization, log_prior
from pyrogen.inference.pages import codebook_sections
from pyrogen.nets.codebook import Codebook, perplexity

ENTRIES = ("vqvae", "vqvae-2", "vqvae-conditional")


def model(name="vqvae", x_shape=(1, 8, 8), **arguments):
    more = {"classes": 3} if name == "vqvae-conditional" else {}
    return pyrogen.create(
        name, x_shape=x_shape, **{"codes": 4, "code_size": 3, "width": 4, "prior_width": 8, **more, **arguments}
    ).eval()


def bits(n, x_shape=(1, 8, 8), seed=0):
    return torch.rand(n, *x_shape, generator=torch.Generator().manual_seed(seed)).round()


def condition_of(m, n):
    return None if m.condition is None else torch.arange(n) % 3


# ------------------------------------------------------------------------------------------------------ codebooks


def test_the_nearest_code_is_the_nearest():
    book = Codebook(7, 3)
    e = torch.randn(5, 2, 3)
    hot = book.nearest(e)
    assert torch.equal(hot.argmax(-1), torch.cdist(e, book.vectors).argmin(-1))
    assert torch.equal(hot.sum(-1), torch.ones(5, 2))


@pytest.mark.parametrize("codes", [6, 3])
def test_a_gradient_passes_the_code_unchanged(codes):
    """Of as many independent vectors as they have numbers; through hot @ vectors, wherever that is computed."""
    book = Codebook(codes, 3).double()
    e = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    z = book.passing(e, book.nearest(e))
    assert torch.equal(z.detach(), book.nearest(e))
    weights = torch.randn(4, 3, dtype=torch.float64)
    ((z @ book.vectors) * weights).sum().backward()
    assert torch.allclose(e.grad, weights, atol=1e-4)


def test_running_means_come_to_be_the_means_of_what_they_stand_for():
    torch.manual_seed(1)
    centres = torch.tensor([[-4.0, 0.0], [4.0, 0.0], [0.0, 5.0]])
    book = Codebook(3, 2, decay=0.9)
    for _ in range(100):
        e = centres[torch.randint(3, (300,))] + 0.1 * torch.randn(300, 2)
        book.observe(e, book.nearest(e))
        book.update()
    assert torch.cdist(book.vectors, centres).amin(0).max() < 0.05


def test_dead_codes_are_put_where_something_lies():
    book = Codebook(8, 2)
    book.vectors[4:] = 1e3
    e = torch.randn(200, 2)
    book.observe(e, book.nearest(e))
    book.update()
    assert book.vectors.abs().max() < 10
    assert torch.isin(book.vectors[4:, 0], e[:, 0]).all()
    still = Codebook(8, 2, revive=0)
    still.vectors[4:] = 1e3
    still.observe(e, still.nearest(e))
    still.update()
    assert torch.equal(still.vectors[4:], torch.full((4, 2), 1e3))


@pytest.mark.parametrize(("counts", "used"), [([1, 1, 1, 1], 4), ([5, 0, 0, 0], 1), ([2, 2, 0, 0], 2)])
def test_perplexity(counts, used):
    assert float(perplexity(torch.tensor(counts, dtype=torch.float64))) == pytest.approx(used)


# ---------------------------------------------------------------------------------------------------------- pairs


@pytest.mark.parametrize("name", ENTRIES)
def test_the_posterior_is_certain_and_the_bound_is_code_plus_decoder(name):
    m, x = model(name), bits(5)
    y = condition_of(m, 5)
    q = m.encode(x, y)
    assert isinstance(q, Certain)
    assert q.support.check(m.code(x, y)).all()
    with torch.no_grad():
        expected = log_prior(m, Batch(x, y)) + m.decode(m.code(x, y)).log_prob(x)
    for estimator in (ELBO(), IWAE(200)):
        found = log_evidence(m, x, estimator, y=y)
        assert found["log_evidence"].values == pytest.approx(expected.numpy(), abs=1e-4)
        assert found["mc_se"].values.max() < 1e-9
        assert found.attrs["bound"] == "lower"
    usual = log_evidence(m, x, y=y)
    assert (usual.attrs["estimator"], usual.attrs["bound"]) == ("ELBO", "lower")
    assert usual["log_evidence"].values == pytest.approx(expected.numpy(), abs=1e-4)


def test_one_draw_is_weighed_for_all_and_there_are_as_many_as_asked_for():
    weights = log_weights(model(), bits(12), num_samples=321)
    assert weights.shape == (321, 12)
    assert (weights.values == weights.values[:1]).all()


def test_the_bound_is_below_the_sum_over_all_codes():
    m, x = model(x_shape=(1, 4, 4), factor=2), bits(6, (1, 4, 4))
    exact, bound = (log_evidence(m, x, e)["log_evidence"].values for e in (Enumerate(), ELBO()))
    assert (bound < exact).all()


@pytest.mark.parametrize("name", ["vqvae", "vqvae-conditional"])
def test_a_prior_of_codes_sums_to_one(name):
    m = model(name, (1, 4, 4), factor=2)
    with torch.no_grad():
        for p in m.prior.parameters():
            p.add_(0.3 * torch.randn_like(p))
        p = m.prior(None if m.condition is None else torch.tensor(2))
        assert float(p.log_prob(p.enumerate_support().reshape(-1, m.latent_size)).exp().sum()) == pytest.approx(
            1, abs=1e-5
        )


def test_a_prior_on_two_levels_sums_to_one_and_draws_what_it_scores():
    """2⁵ states: one place above four."""
    torch.manual_seed(3)
    m = model("vqvae-2", (1, 4, 4), codes=2)
    with torch.no_grad():
        for p in m.prior.parameters():
            p.add_(0.3 * torch.randn_like(p))
    assert m.grids == [(1, 1), (2, 2)]
    every = torch.cartesian_prod(*[torch.arange(2)] * 5)
    states = torch.nn.functional.one_hot(every).float().flatten(1)
    with torch.no_grad():
        p = m.prior().log_prob(states).exp().double()
        drawn = m.prior().sample((4000,)).unflatten(1, (5, 2)).argmax(-1)
    assert float(p.sum()) == pytest.approx(1, abs=1e-5)
    counts = np.bincount((drawn @ torch.tensor([16, 8, 4, 2, 1])).numpy(), minlength=32)
    expected = 4000 * p.numpy()
    assert (((counts - expected) ** 2 / expected).sum() - 31) / math.sqrt(62) < 4


def test_the_lower_grid_sees_all_of_the_upper_one_and_nothing_of_its_own_future():
    m = model("vqvae-2", (1, 8, 8))
    net = m.prior.beneath.net
    x = torch.zeros(1, 4, 4, 4, requires_grad=True)
    above = torch.zeros(1, 2 * 2 * 4, requires_grad=True)
    net(x, above)[0, :, 1, 2].abs().sum().backward()
    seen = x.grad.abs().sum(1)[0]
    after = torch.ones(4, 4).triu(99)
    after[1, 2:], after[2:] = 1, 1
    assert (seen[after > 0] == 0).all()
    assert (above.grad != 0).any()


@pytest.mark.parametrize("name", ENTRIES)
def test_cached_draws_are_what_the_whole_network_says(name):
    """Walking place by place with what is remembered gives the logits that one pass gives."""
    m = model(name)
    causal = m.prior.beneath.net if name == "vqvae-2" else m.prior.net.net
    x = torch.nn.functional.one_hot(torch.randint(4, (2, 4, 4)), 4).float().movedim(-1, 1)
    told = {"vqvae": None, "vqvae-2": torch.rand(2, 16), "vqvae-conditional": torch.eye(3)[:2]}[name]
    with torch.no_grad():
        whole, written = causal(x, told), torch.zeros_like(x)
        at = causal.begin(written, told)
        for place in causal.places:
            assert torch.allclose(at(place), whole[place.window], atol=1e-5)
            written[place.window] = x[place.window]


def test_stock_pyro_moves_the_encoder_through_the_codes():
    m = model()
    before = {k: v.clone() for k, v in m.named_parameters()}
    svi = SVI(m.model, m.guide, pyro.optim.Adam({"lr": 1e-2}), Trace_ELBO())
    svi.step(bits(8))
    moved = {k for k, v in m.named_parameters() if not torch.equal(v, before[k])}
    assert any(k.startswith("net.encoder") for k in moved)
    pyro.clear_param_store()


@pytest.mark.parametrize("prior", ["PixelCNNPrior", "Categorical"])
def test_a_prior_is_an_axis(prior):
    spec = {"PixelCNNPrior": {"classes": 4, "grid": [4, 4]}, "Categorical": {"variables": 16}}[prior]
    m = model(prior={"name": prior, **spec})
    assert type(m.prior).__name__ == prior
    assert m.sample(2).shape == (2, 1, 8, 8)
    assert log_prior(m, Batch(bits(3))).shape == (3,)


# ------------------------------------------------------------------------------------------------------- training


@pytest.mark.parametrize("codebook", ["ema", "loss"])
def test_two_stages_train_the_autoencoder_and_then_the_prior(codebook):
    data = from_arrays(x_train=bits(64), x_valid=bits(16, seed=1))
    m = model(codebook=codebook)
    vectors, prior = m.books[0].vectors.clone(), {k: v.clone() for k, v in m.prior.state_dict().items()}
    assert [stage.name for stage in m.stages()] == ["codes", "prior"]
    codes, after = m.stages()
    run = fit(m, data, epochs=2, batch_size=16, device="cpu", progress=False, lr=1e-2)
    seen = [set(row) for row in run.records]
    assert "valid/perplexity" in seen[1]
    assert "valid/perplexity" not in seen[-1]
    assert not torch.equal(vectors, m.books[0].vectors)
    assert any(not torch.equal(v, prior[k]) for k, v in m.prior.state_dict().items())
    assert codes.players[0].owns[0] is m.net
    assert after.players[0].owns == [m.prior]
    before = {k: v.clone() for k, v in m.net.state_dict().items()}
    fit(m, data, epochs=1, batch_size=16, device="cpu", progress=False, objective=Only(1), validate=False)
    assert all(torch.equal(v, before[k]) for k, v in m.net.state_dict().items())


class Only(VectorQuantization):
    """One of its players, alone."""

    def __init__(self, number):
        object.__setattr__(self, "number", number)
        super().__init__()

    def players(self, model):
        return [replace(super().players(model)[self.number], idle=[model])]


def test_a_prior_without_parameters_has_no_stage():
    assert [s.name for s in model(prior={"name": "Categorical", "variables": 16}).stages()] == ["codes"]


def test_the_loss_is_that_of_the_paper():
    m, x = model(codebook="loss").train(), bits(6)
    (e, hot), *_ = m.quantize(x)
    v = hot @ m.books[0].vectors
    pulled = 1.5 * (e - v).square().sum((1, 2, 3)).mean()
    reconstruction = m.decode_vectors([v]).log_prob(x).mean()
    player, _ = VectorQuantization(commitment=0.5).players(m)
    terms = player.loss(Batch(x))
    assert torch.allclose(terms["loss"], pulled - reconstruction, rtol=1e-5)
    terms["loss"].backward()
    # the codebook is moved by its own loss alone
    only = torch.autograd.grad(
        (e.detach() - hot @ m.books[0].vectors).square().sum((1, 2, 3)).mean(), m.books[0].vectors
    )
    assert torch.allclose(m.books[0].vectors.grad, only[0], atol=1e-5)


def test_a_codebook_learns_what_places_hold():
    """Four patches, each a code: reconstruction is nearly perfect, all are in use, and the prior knows how they lie."""
    torch.manual_seed(0)
    patches = torch.tensor([[[0, 0], [0, 0]], [[1, 1], [1, 1]], [[1, 0], [1, 0]], [[0, 1], [0, 1]]]).float()
    rows = torch.randint(4, (400, 1, 2)).expand(-1, 2, -1)  # the lower row repeats the upper
    x = patches[rows].permute(0, 1, 3, 2, 4).reshape(400, 1, 4, 4)
    data = from_arrays(x_train=x[:300], x_valid=x[300:350], x_test=x[350:], kind="binary")
    m = model(x_shape=(1, 4, 4), codes=4, code_size=4, width=16, factor=2)
    fit(m, data, epochs=12, lr=1e-2, batch_size=50, device="cpu", progress=False, validate=False, seed=1)
    assert codebook_use(m, data, 0) > 0.7
    bound = log_evidence(m, data.test, ELBO())["log_evidence"].values.mean()
    assert code_gain(m, data, 0) == pytest.approx(2 * math.log(4), abs=0.4)
    # the two of which the bound is the sum
    distortion = log_evidence(m, data.test, Reconstruction())["log_evidence"].values.mean()
    assert -0.1 < distortion <= 0
    assert bound - distortion == pytest.approx(-2 * math.log(4), abs=0.4)


# ---------------------------------------------------------------------------------------------------- refusals, pages


@pytest.mark.parametrize(
    ("name", "arguments", "says"),
    [
        ("vqvae", {"codes": 1}, "codes=1: a codebook of one vector says nothing of x; use codes >= 2"),
        ("vqvae", {"x_shape": (1, 7, 8)}, r"2 × 2 pixels .* do not divide x_shape=\(1, 7, 8\)"),
        ("vqvae-2", {"x_shape": (1, 6, 6)}, r"4 × 4 pixels \(factor=2, 2 levels\), which do not divide"),
        ("vqvae", {"factor": 3}, "factor=3: convolutions halve sides"),
        ("vqvae", {"x_shape": (64,)}, "do not divide"),
        ("vqvae", {"prior": "StandardNormal"}, "StandardNormal is over .* grids of 16 one-hot vectors"),
        (
            "vqvae",
            {"prior": {"name": "Categorical", "variables": 8}},
            "grids of 8 one-hot vectors, and codes are grids of 16",
        ),
    ],
)
def test_what_cannot_work_is_refused_in_a_sentence(name, arguments, says):
    with pytest.raises(ValueError, match=says) as refusal:
        pyrogen.create(name, **{"x_shape": (1, 8, 8), **arguments})
    assert "\n" not in str(refusal.value)


def test_what_has_no_codebooks_is_refused():
    m = pyrogen.create("vae", x_shape=(1, 4, 4), hidden=(4,), latent_size=2)
    with pytest.raises(ValueError, match="VAE has no codebooks, which VectorQuantization trains"):
        VectorQuantization().players(m)
    with pytest.raises(ValueError, match="no codebooks whose codes could be counted"):
        code_counts(m, pyrogen.data.load("digits").test)


@pytest.mark.parametrize("name", ENTRIES)
def test_pages_show_codebooks_and_their_use(name):
    data = from_arrays(x_train=bits(60), x_test=bits(30), y_train=torch.arange(60) % 3, y_test=torch.arange(30) % 3)
    m, levels = model(name), 2 if name == "vqvae-2" else 1
    pages = (
        codebook_sections.codebook_use,
        codebook_sections.code_maps,
        codebook_sections.dictionary,
        codebook_sections.code_length,
    )
    with torch.no_grad():
        shown = [panel for page in pages for panel in page(m, data, [])]
    named = {panel.name for panel in shown if panel.figure is not None}
    numbers = range(1, levels + 1)
    assert named == {"codes", *(f"codebook-{n}" for n in numbers), *(f"dictionary-{n}" for n in numbers)}
    said = " ".join(panel.caption for panel in shown)
    assert "lower bound of log p(x)" in said
    assert "perplexity" in said
    places = {1: 16, 2: 20}[levels]
    assert f"A code of {places} places costs" in said
    with torch.no_grad():
        y = condition_of(m, 30)
        code = -float(log_prior(m, Batch(data.test.x, y)).mean())
    assert f"{code:.4g} nats, {code / places / math.log(2):.3g} bits a place" in said


def test_states_of_certainty():
    q = Certain(torch.eye(3)[:2], OneHotGrid(1))
    assert q.log_prob(torch.eye(3)[:2]).tolist() == [0, 0]
    assert q.log_prob(torch.eye(3)[1:]).tolist() == [-math.inf, -math.inf]
    assert q.expand((4, 2)).sample((5,)).shape == (5, 4, 2, 3)
