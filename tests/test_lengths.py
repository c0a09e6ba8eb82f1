"""Sequences that end are batched and scored as far as they go, and nothing but the time that it takes is changed by it."""

import itertools
import logging

import numpy as np
import pytest
import torch

import pyrogen
from pyrogen.data import from_arrays
from pyrogen.inference import IWAE, evidence, fit, log_evidence, log_weights
from pyrogen.inference.replay import recorded_step
from pyrogen.inference.training import batches as batches_of
from pyrogen.inference.training.batches import WASTED, Batches, lengths_for, tops
from pyrogen.kinds import kind_named
from pyrogen.registry import make
from pyrogen.vocabulary import END

WORDS, LONGEST = 4, 12
VOCABULARY = {"name": "word", "words": "a b c d"}
NETS = {
    "LSTM": {"name": "LSTM", "width": 4, "layers": 2},
    "Transformer": {"name": "Transformer", "width": 4, "layers": 1, "heads": 2},
    "3-grams": {"name": "NGram", "width": 4, "order": 3},
    "bar by bar": {"name": "Bars", "of": {"name": "LSTM", "width": 4}, "length": 4},
}
ENTRIES = {
    **{f"lstm-lm, {name}": ("lstm-lm", {"net": net, "dropout": 0.3}) for name, net in NETS.items()},
    **{f"vae-text, {name}": ("vae-text", {"net": net, "latent_size": 2}) for name, net in NETS.items()},
    "vae-music": ("vae-music", {"decoder": {"name": "Hierarchical", "bar": 4}, "latent_size": 2}),
}


def sentences(n, longest=LONGEST, seed=0):
    """Rows of which most are short, and the last is as long as can be."""
    generator = torch.Generator().manual_seed(seed)
    length = (longest * torch.rand(n, generator=generator) ** 3).long()
    length[-1] = longest
    x = torch.randint(WORDS, (n, 1, longest), generator=generator).float()
    return torch.where(torch.arange(longest) < length[:, None, None], x, END)


def a_model(entry="lstm-lm", **settings):
    settings = {"net": NETS["LSTM"], **settings}
    torch.manual_seed(0)
    model = pyrogen.create(entry, x_shape=(1, LONGEST), vocabulary=VOCABULARY, **settings)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.3 * torch.randn_like(p))
    return model.eval()


def some_data(n=67):
    return from_arrays(x_train=sentences(n), x_valid=sentences(9, seed=1), x_test=sentences(9, seed=2), kind="tokens")


def test_a_datum_needs_its_words_and_its_end():
    rows = [[END] * 4, [0, END, END, END], [0, 1, 2, END], [0, 1, 2, 3]]
    assert kind_named("tokens").needed(torch.tensor(rows).unsqueeze(1)).tolist() == [1, 2, 4, 4]
    voices = torch.tensor([[[0, END, END, END], [0, 1, END, END]]])
    assert kind_named("tokens").needed(voices).tolist() == [3]
    assert kind_named("real").needed(torch.zeros(3, 1, 4)) is None


# --------------------------------------------------------------------------------------------------------- scores


@pytest.mark.parametrize(("entry", "settings"), ENTRIES.values(), ids=ENTRIES)
def test_what_is_cut_is_scored_as_the_whole_is(entry, settings, monkeypatch):
    model, x = a_model(entry, **settings), sentences(40)
    estimator = IWAE(20) if entry.startswith("vae") else None
    cut = log_evidence(model, x, estimator)
    for module in (evidence.weights, evidence.estimator):
        monkeypatch.setattr(module, "cut", lambda model, x: x)
    whole = log_evidence(model, x, estimator)
    assert np.allclose(cut.log_evidence, whole.log_evidence, rtol=1e-5)
    assert (cut.fingerprint == whole.fingerprint).all()
    assert float(cut.log_evidence.std()) > 1  # so that data in another order would be seen


def test_log_p_does_not_depend_on_the_places_that_are_left(monkeypatch):
    model, x = a_model(), sentences(40)
    x = x[kind_named("tokens").needed(x) <= 5]
    whole = model.log_prob(x)
    assert all(torch.allclose(model.log_prob(x[..., :t]), whole, rtol=1e-5) for t in range(5, LONGEST))
    with pytest.raises(ValueError, match=r"the net takes \(\.\.\., 1, 12\); got \(2, 1, 13\)"):
        model.log_prob(torch.zeros(2, 1, LONGEST + 1))


def test_weights_come_in_the_order_of_the_data():
    model, x = a_model("vae-text", latent_size=2), sentences(25)
    weights = log_weights(model, x, 20)
    assert np.allclose(log_evidence(model, x, IWAE(20)).log_evidence, np.log(np.exp(weights).mean("sample")), atol=1e-6)


def test_a_network_of_one_length_says_so_and_is_given_whole_sequences():
    likelihood = {"name": "Tokens", "words": WORDS}
    model = pyrogen.create("vae", x_shape=(1, LONGEST), likelihood=likelihood, latent_size=2, hidden=[4])
    assert not model.any_length
    with pytest.raises(ValueError, match=r"the encoder takes \(\.\.\., 1, 12\); got \(3, 1, 5\)"):
        model.infer(torch.zeros(3, 1, 5))
    batches = Batches(some_data().train, 8, 1, model)
    batches.shuffle(torch.Generator())
    assert {batches.length(i) for i in range(len(batches))} == {LONGEST}
    assert batches.said == ""
    log_evidence(model, some_data().test, IWAE(20))


# -------------------------------------------------------------------------------------------------------- batches


@pytest.mark.parametrize("n", [64, 67, 65, 20, 5])
def test_each_datum_comes_once_an_epoch_and_loses_no_end(n):
    data, model = some_data(n).train, a_model()
    batches, generator = Batches(data, 8, 1, model), torch.Generator().manual_seed(0)
    needed = kind_named("tokens").needed(data.x)
    orders = []
    for _ in range(20):
        batches.shuffle(generator)
        orders.append(batches.order)
        assert sorted(batches.order.tolist()) == list(range(n))
        assert torch.equal(torch.cat([batches.index(i) for i in range(len(batches))]), batches.order)
        for i in range(len(batches)):
            length = batches.length(i)
            assert length in batches.lengths
            assert int(needed[batches.index(i)].max()) <= length
            x = batches.read(batches.index(i), length).x
            assert x.is_contiguous()
            assert torch.equal(x, data.x[batches.index(i)][..., :length])
    assert not any(torch.equal(a, b) for a, b in itertools.pairwise(orders))
    # which sequences come first, and which are left over, changes
    assert n < 16 or torch.stack(orders)[:, 0].unique().numel() > 5
    assert n % 8 < 2 or n < 16 or torch.stack(orders)[:, -1].unique().numel() > 5


def test_little_is_padding_and_it_is_as_much_as_is_said(caplog):
    data, generator = some_data(2000).train, torch.Generator().manual_seed(0)
    batches = Batches(data, 16, 1, a_model())
    read = 0
    for _ in range(3):
        batches.shuffle(generator)
        read += sum(len(batches.index(i)) * batches.length(i) for i in range(len(batches)))
    now, before = batches.padding
    used = int(kind_named("tokens").needed(data.x).sum())
    assert before == 1 - used / (len(data) * LONGEST) > 0.5
    assert now < WASTED
    assert now == pytest.approx(1 - 3 * used / read, abs=0.01)
    assert sum(batches.uses(3, 0, 1).values()) == pytest.approx(3 * len(batches), abs=len(batches.lengths))
    with caplog.at_level(logging.INFO, "pyrogen"):
        fit(a_model(), some_data(), epochs=1, batch_size=8, progress=False)
    (said,) = [r.getMessage() for r in caplog.records if r.getMessage().startswith("padding: ")]
    assert "of the places of all batches lie behind the ends; batches are cut to" in said


def test_the_lengths_are_the_best_of_so_few():
    needed = (12 * torch.rand(400, generator=torch.Generator().manual_seed(0)) ** 2).long() + 3
    longest = tops(needed, 40)
    found = lengths_for(needed, 40, 16)

    def read(lengths):
        return sum(min(n for n in lengths if n >= top) for top in longest)

    others = itertools.combinations(sorted({*longest}), len(found) - 1)
    assert read(found) == min(read([*other, 16]) for other in others)
    assert 1 - 40 * float(needed.double().mean()) / read(found) <= WASTED
    fewer = itertools.combinations(sorted({*longest}), len(found) - 2)
    assert 1 - 40 * float(needed.double().mean()) / min(read([*other, 16]) for other in fewer) > WASTED
    assert lengths_for(torch.full((50,), 7), 5, 7) == [7]
    # of one place what looks back sees nothing
    assert lengths_for(torch.tensor([1] * 40 + [7] * 10), 5, 7) == [2, 7]


def test_recorded_steps_and_resumed_runs_come_to_the_same_bits(tmp_path, monkeypatch):
    monkeypatch.setattr(recorded_step, "PAYS", 1)
    monkeypatch.setattr(batches_of, "LENGTHS", 2)  # each is recorded, which takes a while
    x = sentences(32, longest=5)
    data = from_arrays(x_train=x, x_valid=x[:3], x_test=x[:3], kind="tokens")

    def weights(epochs=2, **more):
        torch.manual_seed(0)
        net = {"name": "LSTM", "width": 3}
        model = pyrogen.create("vae-text", x_shape=(1, 5), vocabulary=VOCABULARY, latent_size=2, net=net)
        run = fit(model, data, epochs=epochs, batch_size=8, validate=False, progress=False, seed=1, **more)
        return run, run.model.state_dict()

    run, whole = weights()
    assert run.steps.startswith("recorded in")
    _, eager = weights(compile=False)
    assert all(torch.equal(v, eager[k]) for k, v in whole.items())
    weights(1, folder=tmp_path / "cut", compile=False)
    _, resumed = weights(folder=tmp_path / "cut", resume=True, compile=False)
    assert all(torch.equal(v, resumed[k]) for k, v in whole.items())


def test_a_network_of_ones_own_is_cut_only_if_it_says_that_it_may_be():
    made = make("sequence", NETS["LSTM"]).causal((1, LONGEST), WORDS + 1, WORDS)
    assert made.any_length
    made.body.any_length = False
    assert not made.any_length
