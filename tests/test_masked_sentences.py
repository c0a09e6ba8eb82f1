"""Masked diffusion of sentences that end: its law against enumeration over a tiny vocabulary, and what it is told."""

import itertools
import math

import numpy as np
import pytest
import torch
from torch import nn

import pyrogen
from pyrogen.conditions import Condition
from pyrogen.data import load
from pyrogen.inference import ELBO, IWAE, fit, impute, log_evidence
from pyrogen.inference.objectives.diffusion import DiffusionELBO
from pyrogen.likelihoods import Tokens
from pyrogen.models.diffusion.masked import MaskedDiffusion
from pyrogen.vocabulary import END

T, WORDS = 3, 2
ALL = torch.tensor(
    [[*text, *[END] * (T - n)] for n in range(T + 1) for text in itertools.product(range(WORDS), repeat=n)]
).float()[:, None]
ORDERS = list(itertools.permutations(range(T)))


class Table(nn.Module):
    """The conditionals of a law of sentences, given those of their words and ends that are seen."""

    def __init__(self, law):
        super().__init__()
        self.law = nn.Parameter(law.log())
        values = torch.tensor([*range(WORDS), END]).float()
        self.hot = (values[:, None] == ALL).float()  # (sentences, words + 1, T)

    def forward(self, seen, told):
        hot, known = seen[:, :-1], seen[:, -1:]
        agrees = ((self.hot == hot.unsqueeze(1)) | (known.unsqueeze(1) == 0)).flatten(2).all(-1)
        log_p = self.law.expand(len(seen), -1).masked_fill(~agrees, -1e9)
        return torch.where(self.hot > 0, log_p[:, :, None, None], -1e9).logsumexp(1)


def sized():
    p = Tokens(WORDS)
    p.size(torch.Size([1, T]))
    return p


def of_law(law):
    return MaskedDiffusion(Table(law), sized()).eval()


def some_law(seed=0):
    return torch.randn(len(ALL), generator=torch.Generator().manual_seed(seed)).mul(1.5).softmax(0)


def of_net():
    torch.manual_seed(0)
    net = {"name": "SequenceTransformer", "width": 8, "layers": 1, "heads": 2}
    model = pyrogen.create(
        "masked-diffusion-text", x_shape=(1, T), vocabulary={"name": "word", "words": "a"}, denoiser=net
    )
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.5 * torch.randn_like(p))
    return model.eval()


@torch.no_grad()
def in_order(model, x, order):
    """log p of sentences whose places are shown in an order."""
    z, log_p = torch.full_like(x, math.nan), torch.zeros(len(x), dtype=torch.float64)
    for place in order:
        shown = torch.full_like(x, math.nan)
        shown[..., place] = x[..., place]
        log_p += model.elements(z).log_prob(shown).double()
        z = torch.where(shown.isnan(), z, shown)
    return log_p


def test_in_every_order_it_is_a_law_of_sentences_that_end():
    model = of_net()
    assert model.likelihood.words == WORDS
    for order in ORDERS:
        assert float(in_order(model, ALL, order).exp().sum()) == pytest.approx(1, abs=1e-5)


def test_its_bound_is_the_mean_over_orders_in_nats_a_sentence():
    model = of_net()
    each = torch.stack([in_order(model, ALL, order) for order in ORDERS])
    bound, truth = each.mean(0), each.logsumexp(0) - math.log(len(ORDERS))
    assert float((truth - bound).max()) > 1e-3
    for estimator in (DiffusionELBO(1500), ELBO(num_samples=800)):
        found = log_evidence(model, ALL, estimator)
        assert abs((found["log_evidence"].values - bound.numpy()) / (found["mc_se"].values + 1e-6)).max() < 4.5
    tight = log_evidence(model, ALL[-3:], IWAE(800))
    assert abs((tight["log_evidence"].values - truth[-3:].numpy()) / (tight["mc_se"].values + 1e-6)).max() < 5


def test_of_the_exact_net_it_is_the_exact_log_p_and_its_draws_have_the_law():
    law = some_law()
    exact = of_law(law)
    each = torch.stack([in_order(exact, ALL, order) for order in ORDERS])
    torch.testing.assert_close(each, law.log().double().expand_as(each), atol=1e-4, rtol=0)
    torch.manual_seed(0)
    x = exact.sample(8000)
    counts = (x == ALL[:, None, 0].transpose(0, 1)).all(-1).double().sum(0)
    assert float(((counts - 8000 * law).square() / (8000 * law)).sum()) < 45
    # few steps show words apart from one another, and of sentences that go on after an end nothing is kept
    few = exact.sample(2000, steps=1)
    assert (torch.where((few == END).cumsum(-1) > 0, few == END, few != END)).all()
    apart = torch.stack([(few == text).all(-1).all(-1).double().mean() for text in ALL])
    assert float((apart - law).abs().max()) > 0.05


def test_a_text_with_gaps_is_filled_as_the_law_says():
    law, seen = some_law(), torch.tensor([False, True, False])
    x = torch.tensor([[[0.0, 1.0, END]]])
    found = impute(of_law(law), x, seen, num_draws=3000, candidates=3000)
    agrees = ALL[:, 0, 1] == 1
    assert float(found["log_seen"][0]) == pytest.approx(float(law[agrees].sum().log()), abs=1e-4)
    ended = (found["draw"].values[:, 0, 2] == END).mean()
    assert ended == pytest.approx(float(law[agrees & (ALL[:, 0, 2] == END)].sum() / law[agrees].sum()), abs=0.04)


class Told(nn.Module):
    """Log odds of two bits that are ±1 as y says, or 0 where nothing is said."""

    def __init__(self):
        super().__init__()
        self.one = nn.Parameter(torch.tensor(1.0))

    def forward(self, seen, told):
        said = (told[:, 1] - told[:, 2]) * told[:, 3]
        return self.one * said[:, None, None].expand(len(seen), 1, 2)


def of_bits(dropped=0.5, likelihood="Bernoulli", **more):
    p = pyrogen.registry.make("likelihood", likelihood)
    p.size(torch.Size([1, 2]))
    return MaskedDiffusion(Told(), p, condition=Condition((), 2), dropped=dropped, **more)


def test_guidance_multiplies_log_odds_and_leaves_the_bound_alone():
    model, y = of_bits().eval(), torch.zeros(4000, dtype=torch.long)
    torch.manual_seed(0)
    for weight in (0.0, 1.0, 3.0):
        on = model.sample(4000, y, guidance=weight).mean()
        assert float(on) == pytest.approx(1 / (1 + math.exp(-weight)), abs=0.02)
    assert float(of_bits(guidance=3.0).eval().sample(2000, y[:2000]).mean()) > 0.9
    x = torch.ones(3, 1, 2)
    scores = [log_evidence(m.eval(), x, y=y[:3])["log_evidence"].values for m in (of_bits(guidance=3.0), of_bits())]
    np.testing.assert_allclose(*scores)
    np.testing.assert_allclose(scores[0], 2 * -math.log1p(math.exp(-1.0)), atol=1e-6)
    hidden = of_bits().read_y(y).eq(0).all(-1).double().mean()
    assert float(hidden) == pytest.approx(0.5, abs=0.04)


@pytest.mark.parametrize("name", ["masked-diffusion-text", "masked-diffusion-text-conditional"])
def test_it_learns_sentences_of_the_grammar(name):
    data = load("grammar")
    told = {"classes": data.classes} if name.endswith("conditional") else {}
    net = {"name": "SequenceTransformer", "width": 16, "layers": 1, "heads": 2}
    torch.manual_seed(0)
    model = pyrogen.create(name, x_shape=data.x_shape, vocabulary=data.vocabulary, denoiser=net, **told)
    part = data.test.take(100)
    before = log_evidence(model, part, DiffusionELBO(2))["log_evidence"].mean()
    fit(model, data, epochs=1, lr=1e-2, batch_size=64, progress=False, validate=False)
    after = log_evidence(model, part, DiffusionELBO(2))["log_evidence"].mean()
    assert float(after - before) > 3
    written = model.sample(4, part.y[:4] if told else None)
    model.check(written, part.y[:4] if told else None)
    assert len(data.vocabulary.write(written)) == 4


def test_nonsense_is_refused_in_a_sentence():
    words = {"name": "word", "words": "a"}
    for build, sentence in (
        (lambda: of_bits(dropped=1.0), "from 0 to below 1"),
        (lambda: of_bits(guidance=float("nan")), "guidance=nan: it is a finite weight, 0 or more"),
        (lambda: of_bits(dropped=0.0, guidance=2.0), "with dropped=0 it never sees them"),
        (
            lambda: of_bits(likelihood="Normal", guidance=2.0),
            "weighs log odds, and the likelihood Normal has other features",
        ),
        (lambda: of_law(some_law()).sample(2, guidance=2.0), "told no y; take 'masked-diffusion-conditional'"),
        (lambda: MaskedDiffusion(Table(some_law()), sized(), 2), "steps=2: of sentences that are shown several words"),
        (lambda: of_bits().sample(2), "the model is conditional, and got no y"),
        (
            lambda: pyrogen.create("masked-diffusion-text", x_shape=(1, 3), vocabulary=None),
            "'masked-diffusion-text' reads texts, and these data have no vocabulary",
        ),
        (
            lambda: pyrogen.create("masked-diffusion-text", x_shape=(1, 3), vocabulary=words, denoiser="UNet"),
            "the denoiser UNet reads images",
        ),
        (
            lambda: pyrogen.create("masked-diffusion", x_shape=(1, 8, 8), denoiser="SequenceTransformer"),
            "the denoiser SequenceTransformer reads sequences",
        ),
    ):
        with pytest.raises(ValueError, match=sentence) as caught:
            build()
        assert "\n" not in str(caught.value)
