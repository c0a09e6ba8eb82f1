"""How texts are drawn otherwise than word after word: at a temperature, by beams, around gaps, and of a class."""

import itertools
import math

import numpy as np
import pyro.distributions as dist
import pytest
import torch

import pyrogen
from pyrogen import registry
from pyrogen.command.cli import main
from pyrogen.data import load
from pyrogen.distributions.tempered import tempered
from pyrogen.inference import impute
from pyrogen.inference.latents.temperature import likeliest, sample_at
from pyrogen.inference.metrics.judge import WordCounts
from pyrogen.likelihoods.pixels import IndependentBernoulli
from pyrogen.likelihoods.tokens import Sentences
from pyrogen.vocabulary import END, Words

TINY = {"x_shape": (1, 4), "vocabulary": {"name": "word", "words": "a b"}, "net": {"name": "LSTM", "width": 8}}
# every sentence of up to four of three words: a row and its shorter beginnings
ALL = torch.tensor([[[*words, *[END] * (4 - n)]] for n in range(5) for words in itertools.product(range(3), repeat=n)])


@pytest.fixture
def language():
    torch.manual_seed(0)
    return pyrogen.create("lstm-lm", **TINY).eval()


@pytest.fixture
def told():
    torch.manual_seed(0)
    return pyrogen.create("vae-text", **TINY, latent_size=1).eval()


def test_beams_that_hold_all_beginnings_find_the_likeliest_sentences(language):
    with torch.no_grad():
        log_p = language.log_prob(ALL).double()
    assert float(log_p.logsumexp(0)) == pytest.approx(0, abs=1e-5)
    best = log_p.argsort(descending=True)[:5]
    assert torch.equal(likeliest(language, 5, 200), ALL[best].float())
    found, nats = language.distribution().likeliest(200)
    torch.testing.assert_close(nats[:5].double(), log_p[best], rtol=0, atol=1e-5)
    assert len(found) == 200
    assert (nats.diff() <= 0).all()


def test_one_beam_is_greedy_and_more_are_no_worse(language, told):
    greedy = sample_at(language, 1, 0.0)
    assert torch.equal(likeliest(language, 1, 1), greedy)
    for p in (language.distribution(), told.decode(torch.randn(6, 1))):
        nats = [p.likeliest(beams)[1][0] for beams in (1, 3, 200)]
        assert (nats[0] <= nats[2] + 1e-5).all()
        assert (nats[1] <= nats[2] + 1e-5).all()


def test_a_temperature_is_of_the_words_and_the_latents_are_drawn_from_the_prior(told):
    flat, cold = sample_at(told, 4000, 1.0, seed=1), sample_at(told, 4000, 0.0, seed=1)
    z = torch.linspace(-6, 6, 601).unsqueeze(1)
    with torch.no_grad():
        log_p = told.decode(z.unsqueeze(1)).log_prob(ALL).double() - z.double().square() / 2
    shares = log_p.logsumexp(0).softmax(0)
    seen = torch.stack([(flat == x).flatten(1).all(1).double().mean() for x in ALL])
    assert (seen - shares).abs().max() < 5 * math.sqrt(0.25 / 4000)
    assert len(cold.unique(dim=0)) < len(flat.unique(dim=0))
    likely = told.decode(torch.zeros(1, 1)).mean
    assert (cold == likely).flatten(1).all(1).any()


def test_an_end_is_for_ever_at_every_temperature(language):
    for temperature in (0.0, 0.3, 2.0):
        x = sample_at(language, 200, temperature)[:, 0]
        assert (x[:, 1:][x[:, :-1] == END] == END).all()


SEEN = torch.tensor([True, False, False, True])
X = torch.tensor([[[0, 1, 2, END]]])


@pytest.mark.parametrize("name", ["language", "told"])
def test_a_gap_is_filled_by_what_stands_around_it(name, request):
    model = request.getfixturevalue(name)
    possible = ALL[((ALL == X) | ~SEEN).flatten(1).all(1)]
    z = torch.linspace(-6, 6, 1201).unsqueeze(1)
    with torch.no_grad():
        if name == "language":
            log_p = model.log_prob(possible).double()
        else:
            log_prior = -z.double().square() / 2 - math.log(math.sqrt(2 * math.pi) / 0.01)
            log_p = (model.decode(z.unsqueeze(1)).log_prob(possible).double() + log_prior).logsumexp(0)
    found = impute(model, X, SEEN, num_draws=4000, candidates=4000)
    assert float(found["log_seen"][0]) == pytest.approx(float(log_p.logsumexp(0)), abs=4 * float(found["mc_se"][0]))
    drawn = torch.from_numpy(found["draw"].values[:, 0])
    assert (drawn[:, SEEN] == X[0, 0, SEEN]).all()
    shares = torch.stack([(drawn == x.flatten()).all(1).double().mean() for x in possible])
    assert float(shares.sum()) == pytest.approx(1)
    # candidates and then draws: the variance of a share is at most that of both
    assert (shares - log_p.softmax(0)).abs().max() < 5 * math.sqrt(0.5 / 4000 + 0.5 / float(found["ess"][0])) / 2 + 1e-9
    assert 100 < float(found["ess"][0]) <= 4000


def test_gaps_that_nobody_can_fill_are_refused_in_a_sentence(language):
    with pytest.raises(ValueError, match=r"some and not all; got \(4,\) with 4 seen"):
        impute(language, X, torch.ones(4, dtype=torch.bool))
    with pytest.raises(ValueError, match="needs 2 candidates or more"):
        impute(language, X, SEEN, candidates=1)
    with pytest.raises(ValueError, match="here x is drawn all at once, from IndependentBernoulli"):
        impute(pyrogen.create("vae", x_shape=(1, 2, 2), hidden=(4,)), torch.zeros(1, 1, 2, 2), SEEN.reshape(2, 2))
    with pytest.raises(ValueError, match="goes from word to word, and VAE does not draw x so"):
        likeliest(pyrogen.create("vae", x_shape=(1, 2, 2), hidden=(4,)), 1, 2)
    with pytest.raises(
        ValueError, match="tries all values of a place, as of words, and IndependentBernoulli names none"
    ):
        likeliest(pyrogen.create("pixelcnn", x_shape=(1, 3, 3), width=4, layers=1), 1, 2)
    with pytest.raises(ValueError, match="keeps 1 beginning or more"):
        likeliest(language, 1, 0)


def test_texts_with_gaps_are_read():
    words = Words("the cat sits")
    x, seen = words.read_gaps("the _ sits", 5)
    assert x.tolist() == [[[0, 0, 2, END, END]]]
    assert seen.tolist() == [True, False, True, True, True]
    for text in ("the cat ...", "the cat…"):
        x, seen = words.read_gaps(text, 4)
        assert x[0, 0, :2].tolist() == [0, 1]
        assert seen.tolist() == [True, True, False, False]
    for text, sentence in {
        "the dog _": "'dog' is no word of these data",
        "the cat": "say some words and not all of them",
        "_ _ _ _ _ ...": "say some words and not all of them",
        "the _ sits the cat sits": "has 6 words, and the longest that the model knows have 5",
    }.items():
        with pytest.raises(ValueError, match=sentence):
            words.read_gaps(text, 5)


def test_the_command_line_searches_and_fills_gaps(tmp_path, capsys):
    run = str(tmp_path / "run")
    small = ["--net", "NGram", "--epochs", "0", "--folder", run]
    assert main(["train", "lstm-lm", *small]) == 0
    capsys.readouterr()
    assert main(["sample", run, "--n", "3", "--beams", "4"]) == 0
    assert len(np.load(f"{run}/samples.npz")["x"]) == 3
    said = capsys.readouterr().out
    assert "3 sequences of highest probability that were found (x): " in said
    assert "samples (x)" not in said
    assert main(["sample", run, "--n", "12", "--given", "the _ chases a dog"]) == 0
    said = capsys.readouterr().out.splitlines()
    texts = (tmp_path / "run" / "samples.txt").read_text().splitlines()
    assert len(texts) == 12
    assert all(t.split()[0] == "the" and t.split()[2:] == ["chases", "a", "dog"] for t in texts)
    assert f"  {texts[0]}" in said
    assert "  …" in said
    assert main(["sample", run, "--given", "the _", "--beams", "2"]) != 0
    assert "leave --temperature and --beams out" in capsys.readouterr().err


def test_word_counts_know_topics_and_a_conditional_model_is_judged_by_them():
    data = load("grammar")
    judge = WordCounts(trust=0.95).of(data)
    assert judge.accuracy.value > 0.95
    assert torch.equal(judge.names(data.test.x.float()[:50]), judge.names(data.test.x[:50]))
    # words that are in no training text count nothing, and a text of none has a name all the same
    assert len(judge.names(torch.full((2, 1, 10), 10_000))) == 2

    class Law(pyrogen.base.Model):
        def __init__(self, right):
            super().__init__()
            self.right, self.x_shape, self.condition = right, data.x_shape, pyrogen.conditions.Condition((), 6)

        def sample(self, n, y=None):
            x, topic = data.law.sample(20 * n, torch.Generator().manual_seed(1))
            at = torch.stack([(topic == (k if self.right else (k + 1) % 6)).nonzero()[0, 0] for k in y.tolist()])
            return x[at]

    metric = registry.find("metric", "conditional-accuracy").load()
    assert metric(Law(True), data, 0, n=60) > 0.9
    assert metric(Law(False), data, 0, n=60) < 0.1


@pytest.mark.parametrize("gap", [1e-7, 1e-6, 1e-3])
def test_at_no_temperature_only_the_likeliest_value_is_drawn(gap):
    logits = torch.tensor([gap, 0.0])
    for p in (IndependentBernoulli(logits, 1), dist.Bernoulli(logits=logits).to_event(1)):
        assert (tempered(p, 0.0).sample((1000,))[:, 0] == 1).all()
    assert (tempered(dist.Categorical(logits=logits), 0.0).sample((1000,)) == 0).all()
    assert not tempered(dist.Categorical(logits=logits), 1.0).sample((1000,)).eq(0).all()  # the control
    words = Sentences(torch.tensor([gap, 0.0, -5.0]).reshape(3, 1, 1)).at(0.0).sample((1000,))
    assert (words == 0).all()
