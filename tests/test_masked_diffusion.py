"""Masked diffusion: its bound, its law and its draws against enumeration on a grid of four bits."""

import itertools
import math

import pytest
import torch
from torch import nn

import pyrogen
from pyrogen.base import Batch
from pyrogen.data import load
from pyrogen.inference import ELBO, IWAE, fit, impute, log_evidence
from pyrogen.inference.objectives.diffusion import DiffusionELBO
from pyrogen.inference.pages import diffusion_sections
from pyrogen.likelihoods import Bernoulli
from pyrogen.models.diffusion.masked import MaskedDiffusion

SHAPE, D = (1, 2, 2), 4
ALL = torch.tensor(list(itertools.product((0.0, 1.0), repeat=D))).reshape(-1, *SHAPE)
SUBSETS = [tuple(bool(k >> d & 1) for d in range(D)) for k in range(2**D)]  # which elements are seen


class Table(nn.Module):
    """The conditionals of a law of four bits, as logits."""

    def __init__(self, law):
        super().__init__()
        self.law = nn.Parameter(law.log())

    def forward(self, seen, share):
        value, known = seen.flatten(2).unbind(1)
        agrees = ((ALL.flatten(1) == value.unsqueeze(1)) | (known.unsqueeze(1) == 0)).all(-1)
        log_p = self.law.expand(len(seen), -1).masked_fill(~agrees, -1e9)
        each = [torch.where(ALL.flatten(1)[:, d] == bit, log_p, -1e9).logsumexp(1) for bit in (1, 0) for d in range(D)]
        ones, zeros = torch.stack(each, 1).split(D, 1)
        return (ones - zeros).clamp(-50, 50)


def sized():
    p = Bernoulli()
    p.size(torch.Size(SHAPE))
    return p


def of_law(law, steps=None):
    return MaskedDiffusion(Table(law), sized(), steps).eval()


def of_net(steps=None):
    torch.manual_seed(0)
    net = {"name": "Perceptron", "hidden": (8, 8), "octaves": 0}
    model = pyrogen.create("masked-diffusion", x_shape=SHAPE, denoiser=net, steps=steps)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.5 * torch.randn_like(p))
    return model.eval()


def some_law(seed=0):
    return torch.randn(16, generator=torch.Generator().manual_seed(seed)).mul(1.5).softmax(0)


@torch.no_grad()
def conditionals(model, x):
    """log p(x_d | seen elements of x) of every subset that may be seen, ``(N, D)`` by subset."""
    found = {}
    for seen in SUBSETS:
        z = x.masked_fill(~torch.tensor(seen).reshape(SHAPE), math.nan)
        each = model.elements(z).elements.log_prob(x.unsqueeze(-1).unsqueeze(-1).unsqueeze(-1))
        found[seen] = each.reshape(len(x), D).double()
    return found


def log_law(model, x):
    """log p(x) by hand: the sum over all that may be seen after each step."""
    of, none = conditionals(model, x), (False,) * D
    reached = {seen: torch.full((len(x),), -math.inf, dtype=torch.float64) for seen in SUBSETS}
    reached[none] = torch.zeros(len(x), dtype=torch.float64)
    for i in range(model.steps, 0, -1):
        after = {seen: [] for seen in SUBSETS}
        for seen, then in itertools.product(SUBSETS, SUBSETS):
            shown = [d for d in range(D) if then[d] and not seen[d]]
            if any(a and not b for a, b in zip(seen, then, strict=True)):
                continue
            hidden = D - sum(seen)
            if model.one_by_one:
                how = -math.log(hidden) if len(shown) == 1 else -math.inf
            else:
                left = hidden - len(shown)
                how = -len(shown) * math.log(i) + (left * math.log1p(-1 / i) if i > 1 else -math.inf if left else 0)
            after[then].append(reached[seen] + how + of[seen][:, shown].sum(1))
        reached = {seen: torch.stack(parts).logsumexp(0) for seen, parts in after.items()}
    return reached[(True,) * D]


def log_bound(model, x, steps=0):
    """The bound by hand at so many steps by chance; 0: in the limit of one element a step."""
    of, total = conditionals(model, x), torch.zeros(len(x), dtype=torch.float64)
    for seen in SUBSETS:
        h = D - sum(seen)
        lost = of[seen][:, [d for d in range(D) if not seen[d]]].sum(1)
        if h and steps:
            total += lost * sum((i / steps) ** h * (1 - i / steps) ** (D - h) / i for i in range(1, steps + 1))
        elif h:
            total += lost / h / math.comb(D, h)
    return total


@pytest.mark.parametrize("steps", [None, 1, 3])
def test_the_bound_is_below_the_sum_over_all_that_may_be_hidden(steps):
    model = of_net(steps)
    truth, by_hand = log_law(model, ALL), log_bound(model, ALL, steps or 0)
    assert float(truth.logsumexp(0)) == pytest.approx(0, abs=1e-5)
    found = log_evidence(model, ALL, DiffusionELBO(2000))
    error = found["mc_se"].values + 1e-6
    assert abs((found["log_evidence"].values - by_hand.numpy()) / error).max() < 4.5
    if steps == 1:  # all at once are independent, and there is nothing to average over
        torch.testing.assert_close(by_hand, truth)
    else:
        assert (by_hand < truth + 1e-6).all()
        assert float((truth - by_hand).max()) > 1e-3
    assert float(found["prior_nats"].sum()) == float(found["reconstruction_nats"].sum()) == 0


def test_of_many_steps_it_is_the_expected_score_in_a_random_order():
    model = of_net()
    x, of = ALL[5:8], conditionals(model, ALL[5:8])
    orders = list(itertools.permutations(range(D)))
    expected = torch.zeros(len(x), dtype=torch.float64)
    for order in orders:
        for k, d in enumerate(order):
            expected += of[tuple(e in order[:k] for e in range(D))][:, d] / len(orders)
    torch.testing.assert_close(log_bound(model, x), expected)
    gaps = [float((expected - log_bound(model, x, steps)).abs().max()) for steps in (50, 100, 200)]
    assert gaps[0] / gaps[1] == pytest.approx(2, abs=0.1)
    assert gaps[1] / gaps[2] == pytest.approx(2, abs=0.1)
    found = log_evidence(model, x, DiffusionELBO(4000))
    assert abs((found["log_evidence"].values - expected.numpy()) / found["mc_se"].values).max() < 4.5


def test_of_the_exact_net_it_is_the_exact_log_p_and_of_few_steps_it_is_not():
    law = some_law()
    truth = law.double().log()
    torch.testing.assert_close(log_bound(of_law(law), ALL), truth, atol=1e-4, rtol=0)
    torch.testing.assert_close(log_law(of_law(law), ALL), truth, atol=1e-4, rtol=0)
    lost = truth - log_bound(of_law(law), ALL, 2)
    assert float((law * lost).sum()) > 0.1
    assert float((law * (truth - log_law(of_law(law, 2), ALL))).sum()) > 0.05
    # elements that are independent lose nothing in any number of steps
    on = torch.tensor([0.2, 0.5, 0.7, 0.9])
    apart = (ALL.flatten(1) * on + (1 - ALL.flatten(1)) * (1 - on)).prod(1)
    for steps in (1, 2, 5):
        torch.testing.assert_close(log_bound(of_law(apart), ALL, steps), apart.double().log(), atol=1e-4, rtol=0)


@pytest.mark.parametrize("steps", [None, 3])
def test_stock_estimators_see_the_same_pair(steps):
    model, x = of_net(steps), ALL[3:5]
    mean = log_evidence(model, x, ELBO(num_samples=1500))
    assert (
        abs((mean["log_evidence"].values - log_bound(model, x, steps or 0).numpy()) / mean["mc_se"].values).max() < 4.5
    )
    tight = log_evidence(model, x, IWAE(1500))
    assert abs((tight["log_evidence"].values - log_law(model, x).numpy()) / tight["mc_se"].values).max() < 5
    assert log_evidence(model, x).attrs["estimator"] == "DiffusionELBO"


@pytest.mark.parametrize(("steps", "drawn_in"), [(None, None), (3, None), (None, 2)])
def test_samples_have_the_law_of_the_model(steps, drawn_in):
    torch.manual_seed(0)
    model = of_law(some_law(), steps)
    x = model.sample(20_000, steps=drawn_in)
    counts = (x.flatten(1) @ torch.tensor([8.0, 4.0, 2.0, 1.0])).long().bincount(minlength=16)
    p = log_law(of_law(some_law(), drawn_in or steps), ALL).exp()
    assert float(((counts - 20_000 * p).square() / (20_000 * p)).sum()) < 45  # χ² of 15
    assert float((p - some_law()).abs().max()) > 0.01 or not (drawn_in or steps)


def test_gaps_are_filled_as_the_law_says():
    law, x = some_law(), ALL[6:7]  # 0 1 1 0
    seen = torch.tensor([[True, False], [False, True]])
    found = impute(of_law(law), x, seen, num_draws=4000, candidates=4000)
    flat = ALL.flatten(1)
    agrees = (flat[:, 0] == 0) & (flat[:, 3] == 0)
    assert float(found["log_seen"][0]) == pytest.approx(float(law[agrees].sum().log()), abs=1e-4)
    drawn = torch.from_numpy(found["draw"].values[:, 0])
    assert (drawn[:, [0, 3]] == 0).all()
    share = float((drawn[:, 1] * drawn[:, 2]).mean())
    assert share == pytest.approx(float(law[6] / law[agrees].sum()), abs=0.04)


class Torn(nn.Module):
    """Conditionals of no law: fair bits, but for the second, which is 1 by .9 as long as the first is hidden."""

    def __init__(self):
        super().__init__()
        self.odds = nn.Parameter(torch.tensor(math.log(9)))

    def forward(self, seen, share):
        hidden = 1 - seen.flatten(2)[:, 1, 0]
        return torch.stack([0 * hidden, self.odds * hidden, 0 * hidden, 0 * hidden], 1)


def test_gaps_are_filled_in_orders_that_begin_with_what_is_seen():
    """In half of all orders the first bit comes before the second: (.9 + .5) / 2, and filled about the second .9."""
    model = MaskedDiffusion(Torn(), sized()).eval()
    torch.manual_seed(0)
    assert float(model.sample(20_000)[:, 0, 0, 1].mean()) == pytest.approx(0.7, abs=0.015)
    seen = torch.tensor([[False, True], [False, False]])
    filled, log_w = model.fill(torch.ones(50, *SHAPE), seen)
    assert log_w.exp().tolist() == pytest.approx([0.9] * 50)
    assert (filled[:, 0, 0, 1] == 1).all()


def test_what_is_trained_by_is_the_bound_and_learns_a_law():
    law = some_law()
    model = of_law(torch.full((16,), 1 / 16))
    (player,) = DiffusionELBO().players(model)
    torch.manual_seed(0)
    x = ALL[law.multinomial(1024, replacement=True)]
    with torch.no_grad():
        losses = torch.stack([player.loss(Batch(x))["loss"] for _ in range(20)])
    assert float(losses.mean()) == pytest.approx(-float(log_bound(model, x).mean()), abs=0.03)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    for _ in range(60):
        optimizer.zero_grad()
        player.loss(Batch(x))["loss"].backward()
        optimizer.step()
    assert float((law * (law.log() - log_bound(model, ALL))).sum()) < 0.05


@pytest.mark.parametrize(("likelihood", "kind"), [("Categorical", "levels"), ("Normal", "real")])
def test_elements_are_of_any_likelihood_that_takes_them_one_by_one(likelihood, kind, draws):
    net = {"name": "Perceptron", "hidden": (8,), "octaves": 0}
    model = pyrogen.create("masked-diffusion", x_shape=SHAPE, denoiser=net, likelihood=likelihood)
    x = draws(kind, 3, *SHAPE)
    found = log_evidence(model, x, ELBO(num_samples=500))
    same = log_evidence(model, x, DiffusionELBO(500))
    gap = (found["log_evidence"] - same["log_evidence"]).values
    assert abs(gap / (found["mc_se"].values + same["mc_se"].values)).max() < 4.5
    model.check(model.sample(4))


def test_a_report_shows_what_is_hidden_as_grey_and_fills_gaps(tiny_data):
    model = pyrogen.create("masked-diffusion", x_shape=(1, 8, 8), denoiser={"name": "UNet", "width": 4}, steps=3)
    data = tiny_data(model)
    (noisy,) = diffusion_sections.noisy(model, data, [])
    (gaps,) = diffusion_sections.gaps(model, data, [])
    assert noisy.figure is not None
    assert "25% of the pixels are seen" in gaps.caption
    assert not list(diffusion_sections.gaps(pyrogen.create("vdm", x_shape=(2,)), data, []))


def test_nonsense_is_refused_in_a_sentence():
    for wrong, sentence in (
        ({"steps": 0}, "steps=0: a diffusion takes 1 step or more"),
        ({"likelihood": "Masked"}, "hidden elements are the latents of a masked diffusion"),
        ({"x_shape": (3, 8, 8), "likelihood": "DiscretizedLogisticMixture"}, "couples"),
        ({"x_shape": (4,), "denoiser": "UNet"}, "the denoiser UNet reads images"),
    ):
        with pytest.raises(ValueError, match=sentence) as caught:
            pyrogen.create("masked-diffusion", **{"x_shape": (1, 8, 8), **wrong})
        assert "\n" not in str(caught.value)
    model = pyrogen.create("masked-diffusion", x_shape=(1, 8, 8), denoiser={"name": "UNet", "width": 4})
    with pytest.raises(ValueError, match="steps=0: data are drawn in 1 step or more"):
        model.sample(2, steps=0)
    with pytest.raises(ValueError, match="scores binary data"):
        log_evidence(model, torch.rand(2, 1, 8, 8))
    with pytest.raises(ValueError, match="scores binary data"):
        fit(model, load("digits", kind="levels"), epochs=1, progress=False)
    with pytest.raises(ValueError, match="some and not all"):
        impute(model, torch.zeros(1, 1, 8, 8), torch.ones(8, 8, dtype=torch.bool))
