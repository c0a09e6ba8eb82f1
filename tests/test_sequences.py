"""Networks and likelihoods of sequences: they look back only, remember what they saw, stop at the end, and add up to one."""

import itertools
import math

import pytest
import torch

import pyrogen
from pyrogen.data import load
from pyrogen.inference import IWAE, log_evidence
from pyrogen.likelihoods import Autoregressive, Tokens
from pyrogen.nets.sequences import Reading
from pyrogen.registry import make
from pyrogen.vocabulary import END

NETS = {
    "LSTM": {"name": "LSTM", "width": 6},
    "LSTM of two layers": {"name": "LSTM", "width": 4, "layers": 2},
    "Transformer": {"name": "Transformer", "width": 4, "layers": 2, "heads": 2},
    "bigrams": {"name": "NGram", "width": 6},
    "4-grams": {"name": "NGram", "width": 6, "order": 4},
}
WORDS, LONGEST = 3, 3


def causal(net, shape=(1, 5), words=WORDS, condition=0):
    torch.manual_seed(1)
    channels = shape[0] * (words + 1 if words else 1)
    made = make("sequence", net).causal(shape, channels, words, condition)
    with torch.no_grad():
        for p in made.parameters():
            p.add_(0.3 * torch.randn_like(p))
    return made.eval()


def every_sentence(words=WORDS, longest=LONGEST):
    rows = [s + (END,) * (longest - n) for n in range(longest + 1) for s in itertools.product(range(words), repeat=n)]
    return torch.tensor(rows, dtype=torch.float32).unsqueeze(1)


# -------------------------------------------------------------------------------------------------------- networks


@pytest.mark.parametrize("words", [WORDS, None])
@pytest.mark.parametrize("net", NETS.values(), ids=NETS)
def test_what_is_said_at_a_place_depends_on_those_before_alone(net, words, draws):
    made = causal(net, (2, 5), words, condition=3)
    x, told = draws("tokens" if words else "real", 4, 2, 5).clamp(min=0), torch.randn(4, 15)
    with torch.no_grad():
        said = made(x, told)
        for t in range(5):
            other = x.clone()
            other[..., t] = 2 - other[..., t]
            changed = (made(other, told) - said).abs().sum((0, 1)) > 0
            assert not changed[: t + 1].any()
            assert t == 4 or changed[t + 1]


@pytest.mark.parametrize("condition", [0, 3])
@pytest.mark.parametrize("net", NETS.values(), ids=NETS)
def test_walking_says_what_one_pass_says(net, condition, draws):
    """The cached walk and the naive one, for words with ends among them."""
    made = causal(net, condition=condition)
    x, told = draws("tokens", 6, 1, 5), torch.randn(6, condition) if condition else None
    with torch.no_grad():
        whole, at = made(x, told), made.begin(x, told)
        for place in made.places:
            assert torch.allclose(at(place), whole[place.window], atol=1e-5)


@pytest.mark.parametrize("net", NETS.values(), ids=NETS)
def test_a_condition_is_one_for_all_places_or_one_for_each(net, draws):
    made, x, told = causal(net, condition=3), draws("tokens", 4, 1, 5), torch.randn(4, 3)
    with torch.no_grad():
        same = made(x, told)
        assert torch.equal(same, made(x, told.unsqueeze(-1).expand(4, 3, 5).flatten(1)))
        each = torch.randn(4, 3, 5)
        assert not torch.equal(same, made(x, each.flatten(1)))


@pytest.mark.parametrize("net", NETS.values(), ids=NETS)
def test_an_encoder_reads_up_to_the_end(net):
    """Two sentences with one beginning are told apart, and a longer row says nothing more."""
    made = make("sequence", net)
    torch.manual_seed(0)
    short = made.encoder((1, 4), 6, WORDS).eval()
    torch.manual_seed(0)
    long = made.encoder((1, 7), 6, WORDS).eval()
    long.load_state_dict({k: v for k, v in short.state_dict().items() if "places" not in k}, strict=False)
    if net["name"] == "Transformer":
        with torch.no_grad():
            long.body.places[:4] = short.body.places
    x = torch.tensor([[[0.0, 1, END, END]], [[0, 1, 2, END]], [[END] * 4]])
    padded = torch.cat([x, torch.full((3, 1, 3), float(END))], -1)
    with torch.no_grad():
        codes = short(x)
        assert torch.allclose(codes, long(padded), atol=1e-6)
        assert (codes[0] - codes[1]).abs().max() > 1e-3
        assert codes.isfinite().all()


def test_words_are_left_out_in_training_alone():
    reading = Reading((1, 400), 5, WORDS, dropout=0.3)
    x = torch.zeros(1, 1, 400)
    assert not (reading(x) == reading.before(1)).all(-1).any()  # of what is being written nothing is
    nothing = (reading(x, scored=True) == reading.before(1)).all(-1).float().mean()
    assert float(nothing) == pytest.approx(0.3, abs=0.1)
    assert not (reading.eval()(x, scored=True) == reading.before(1)).all(-1).any()


REFUSED = {
    "a picture": (lambda: Reading((1, 4, 4), 3, 2), r"reads x_shape=\(voices, T\).*got x_shape=\(1, 4, 4\)"),
    "all words": (lambda: Reading((1, 4), 3, 2, 1.0), "dropout=1.0"),
    "numbers left out": (lambda: Reading((1, 4), 3, None, 0.5), "leaves out words, and these data are numbers"),
    "heads": (lambda: make("sequence", {"name": "Transformer", "width": 6}), "a width that the heads divide"),
    "no layer": (lambda: make("sequence", {"name": "LSTM", "layers": 0}), "1 layer"),
    "no order": (lambda: make("sequence", {"name": "NGram", "order": 1}), "order >= 2"),
    "no words": (lambda: Tokens(0), "1 word or more"),
    "unsaid words": (lambda: pyrogen.create("vae", x_shape=(1, 4), likelihood="Tokens"), "must be told how many words"),
    "no sequence": (lambda: Tokens(3).size(torch.Size([4])), r"takes sequences, x_shape=\(voices, T\)"),
    "twice": (lambda: Autoregressive(of=Autoregressive()), "use Autoregressive"),
    "no features": (lambda: Autoregressive(features=0), "1 number or more at each place"),
    "no vocabulary": (lambda: pyrogen.create("vae-text", x_shape=(1, 4), vocabulary=None), "have no vocabulary"),
    "digits": (lambda: pyrogen.create("lstm-lm", **load("digits").decides(by_data)), "have no vocabulary"),
    "a mended likelihood": (
        lambda: pyrogen.create("vae-text", x_shape=(1, 4), vocabulary=VOCABULARY, likelihood="Tokens"),
        "'vae-text' has the likelihood Autoregressive by its nature",
    ),
}
VOCABULARY = {"name": "word", "words": "a b"}


def by_data(x_shape, vocabulary):
    """An entry's arguments that its data decide."""


@pytest.mark.parametrize(("ask", "message"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_work_is_refused(ask, message):
    with pytest.raises(ValueError, match=message) as caught:
        ask()
    assert "\n" not in str(caught.value)


# ----------------------------------------------------------------------------------------------------- likelihoods


def likelihoods():
    yield "independent", Tokens(WORDS), (1, LONGEST)
    yield "two voices", Tokens(2), (2, 2)
    for name, net in NETS.items():
        yield name, Autoregressive(Tokens(WORDS), net, features=2), (1, LONGEST)
    yield "two voices, one after the other", Autoregressive(Tokens(2), "LSTM", features=2), (2, 2)


@pytest.mark.parametrize(("p", "shape"), [pair for _, *pair in likelihoods()], ids=[name for name, *_ in likelihoods()])
def test_all_sentences_together_have_probability_one(p, shape):
    p.size(torch.Size(shape))
    torch.manual_seed(0)
    given = p(2 * torch.randn(3, p.channels(p.x_shape), shape[1]))
    rows = every_sentence(p.words, shape[1])[:, 0]
    every = torch.stack([rows[list(c)] for c in itertools.product(range(len(rows)), repeat=shape[0])])
    with torch.no_grad():
        probabilities = given.log_prob(every.unsqueeze(1)).exp()
        assert torch.allclose(probabilities.sum(0), torch.ones(3), atol=1e-5)
        assert probabilities.min() > 0
        drawn = given.sample((4000,))
        # lengths are drawn as they are scored
        ended = (every[:, 0] == END).any(-1)
        share = (drawn[:, :, 0] == END).any(-1).float().mean(0)
        assert torch.allclose(share, probabilities[ended].sum(0), atol=4 * 0.5 / 4000**0.5)
        shown = given.mean
        assert shown.shape == (3, *shape)
        p.check(shown)
        p.check(drawn.flatten(0, 1))


def test_words_after_an_end_are_impossible():
    p = Tokens(WORDS)
    p.size(torch.Size((1, 3)))
    x = torch.tensor([[[0.0, END, 1]]])
    assert p(torch.randn(4, 3)).log_prob(x).isneginf()
    with pytest.raises(ValueError, match="−1 after the end, and x holds others"):
        p.check(x)
    with pytest.raises(ValueError, match="knows 3 words, numbered from 0, and x holds number 3"):
        p.check(torch.tensor([[[3.0, END, END]]]))


def test_any_likelihood_goes_place_by_place():
    """A chord at each place, given those before: all rolls of two keys and three steps add up to one."""
    p = Autoregressive("Bernoulli", NETS["LSTM"], features=2)
    p.size(torch.Size((2, 3)))
    every = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 6).reshape(-1, 2, 3)
    with torch.no_grad():
        total = p(torch.randn(2, 3)).log_prob(every).exp().sum()
    assert total.item() == pytest.approx(1, abs=1e-5)


def test_the_mean_is_the_greedy_sentence():
    p = Autoregressive(Tokens(WORDS), NETS["LSTM"], features=2)
    p.size(torch.Size((1, LONGEST)))
    torch.manual_seed(3)
    given = p(torch.randn(2, LONGEST))
    every = every_sentence()
    with torch.no_grad():
        logits, x = given.net(given.mean, given.condition), given.mean
    for t in range(LONGEST):
        best = int(logits[:, t].argmax())
        assert int(x[0, t]) == (END if best == WORDS else best)
    assert given.log_prob(given.mean) <= given.log_prob(every).max() + 1e-5


# -------------------------------------------------------------------------------------------------------- entries


@pytest.fixture(scope="module")
def grammar():
    return load("grammar")


def create(name, data, **arguments):
    torch.manual_seed(0)
    small = {"latent_size": 3} if name != "lstm-lm" else {}
    words = {"x_shape": data.x_shape, "vocabulary": data.vocabulary}
    return pyrogen.create(name, **{**words, "net": {"name": "LSTM", "width": 8}, **small, **arguments}).eval()


@pytest.mark.parametrize("name", ["lstm-lm", "vae-text", "autoencoder-text"])
def test_a_saved_model_writes_without_its_data(name, grammar, tmp_path):
    m = create(name, grammar)
    if name == "autoencoder-text":
        m.after_training(grammar.train.x[:200])
    m.save(tmp_path)
    again = pyrogen.load(tmp_path)
    words = make("vocabulary", again.origin["arguments"]["vocabulary"])
    assert words == grammar.vocabulary
    torch.manual_seed(1)
    written = words.write(again.sample(20))
    assert any(written)
    assert {w for s in written for w in s.split()} <= set(words.entries)


@pytest.mark.parametrize("name", ["lstm-lm", "vae-text"])
def test_a_sentence_goes_on_from_its_beginning(name, grammar):
    m, x = create(name, grammar), grammar.vocabulary.read(["the cats see"], 10).float().repeat(50, 1, 1)
    torch.manual_seed(0)
    p = m.distribution() if name == "lstm-lm" else m.decode(torch.zeros(3))
    on = p.complete(x, 2)
    assert (on[..., :2] == x[..., :2]).all()
    assert len(on.unique(dim=0)) > 10
    m.check(on)


def test_the_collapsed_vae_is_a_language_model(grammar):
    """Where no z is read, p(x|z) is p(x), and so is the evidence: one and the same number for any draws."""
    m = create("vae-text", grammar)
    with torch.no_grad():
        m.likelihood.causal.net.body.layers[0].read.weight[:, -3:] = 0
        m.likelihood.causal.net.head.weight[:, -3:] = 0
        for p in m.encoder.net.head.parameters():
            p.zero_()
    x = grammar.test.x[:20]
    found = log_evidence(m, x, IWAE(10))["log_evidence"].values
    with torch.no_grad():
        alone = m.decode(torch.zeros(3)).log_prob(x)
    assert torch.allclose(torch.as_tensor(found), alone.double(), atol=0.02)
    assert math.isfinite(float(alone.sum()))
