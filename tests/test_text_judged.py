"""How models of texts are judged and shown: per word, per sentence, and in sentences."""

import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import pyrogen
from pyrogen import registry
from pyrogen.data import Split, load
from pyrogen.inference import IWAE, fit, log_evidence, summarize
from pyrogen.inference.pages import text_sections
from pyrogen.inference.pages.run_report import panels, write_run_report
from pyrogen.inference.programs.contexts import evaluating, seeded
from pyrogen.vocabulary import END, scored


@pytest.fixture(scope="module")
def grammar():
    return load("grammar")


def create(name, data, **arguments):
    torch.manual_seed(0)
    small = {} if name == "lstm-lm" else {"latent_size": 3}
    words = {"x_shape": data.x_shape, "vocabulary": data.vocabulary}
    return pyrogen.create(name, **{**words, "net": {"name": "NGram", "width": 8}, **small, **arguments}).eval()


def metric(name, *given, **settings):
    return registry.find("metric", name).load()(*given, **settings)


class TheLaw(pyrogen.base.Model, pyrogen.base.HasLogProb):
    """The grammar in a model's place."""

    kinds = ("tokens",)

    def __init__(self, data):
        super().__init__()
        self.x_shape, self.law = data.x_shape, data.law

    def log_prob(self, x, y=None):
        return self.law.log_prob(x)

    def sample(self, n, y=None):
        return self.law.sample(n)[0].float()


def test_the_law_itself_has_no_gap(grammar):
    model = TheLaw(grammar)
    assert metric("law-gap", model, grammar, 0) == pytest.approx(0, abs=1e-6)
    assert metric("sentences-possible", model, grammar, 0, num=50) == 1
    with pytest.raises(ValueError, match="compares with the law that 'digits' come from as they are, and nobody knows"):
        metric("law-gap", model, load("digits"), 0)


class Even(TheLaw):
    """Every word and end by one chance in five."""

    def log_prob(self, x, y=None):
        return -scored(x).double() * math.log(5)


def test_what_every_token_costs_alike_has_a_perplexity_without_error(grammar):
    """log p(x) = −T log 5 varies with T alone, and so does not −Σ log p / Σ T: the error is that of a ratio."""
    model, part = Even(grammar), grammar.test.take(40)
    found = metric("perplexity", model, grammar, 0)
    assert (found, found.error) == (pytest.approx(5), pytest.approx(0, abs=1e-9))
    ev = log_evidence(model, part)
    told = summarize(ev)
    assert (told.perplexity, told.bits_data_se) == (pytest.approx(5), pytest.approx(0, abs=1e-9))
    assert told.data_se > 0.1
    # by hand where the costs of tokens differ
    nats, tokens = np.array([-4.0, -9.0, -2.0]), ev["tokens"].values[:3]
    other = ev.isel(datum=slice(3)).assign(log_evidence=("datum", nats))
    rest = nats - nats.sum() / tokens.sum() * tokens
    error = rest.std(ddof=1) / math.sqrt(3) / tokens.mean() / math.log(2)
    assert summarize(other).bits_data_se == pytest.approx(error)


def test_perplexity_is_per_word_and_end(grammar):
    model, part = create("lstm-lm", grammar), grammar.test.take(40)
    with torch.no_grad():
        nats = model.log_prob(part.x).double()
    tokens = scored(part.x)
    assert tokens.tolist() == [min(10, len(s.split()) + 1) for s in grammar.vocabulary.write(part.x)]
    by_hand = math.exp(-float(nats.sum() / tokens.sum()))
    said = summarize(log_evidence(model, part))
    assert said.perplexity == pytest.approx(by_hand, rel=1e-5)
    assert said.bits_per_dim == pytest.approx(math.log2(by_hand), rel=1e-5)
    assert "bits per token" in str(said)
    assert f"perplexity {by_hand:.3f}" in str(said)
    some = summarize(log_evidence(model, part).isel(datum=slice(10)))
    assert some.perplexity == pytest.approx(math.exp(-float(nats[:10].sum() / tokens[:10].sum())), rel=1e-5)
    # nothing is learned: a word in so many
    assert metric("perplexity", model, grammar, 0) == pytest.approx(len(grammar.vocabulary) + 1, rel=0.1)
    assert summarize(log_evidence(create_vae(), torch.rand(4, 1, 4, 4).round(), IWAE(5))).perplexity is None


def create_vae():
    return pyrogen.create("vae", x_shape=(1, 4, 4), latent_size=2, hidden=(4,))


REFUSED = {
    "pictures": ("perplexity", lambda g: (create_vae(), load("digits")), "is of texts, and 'digits' is binary data"),
    "no codes": ("sentences-kept", lambda g: (create("lstm-lm", g), g), "decodes codes"),
    "no half-way": ("sentences-possible", lambda g: (create("lstm-lm", g), g), "between=True takes codes"),
}


@pytest.mark.parametrize(("name", "given", "message"), REFUSED.values(), ids=REFUSED)
def test_metrics_of_texts_refuse_what_they_cannot_measure(name, given, message, grammar):
    settings = {"between": True} if name == "sentences-possible" else {}
    with pytest.raises(ValueError, match=message):
        metric(name, *given(grammar), 0, **settings)


def test_sentences_kept_are_those_that_come_back_whole(grammar):
    model = create("autoencoder-text", grammar)
    assert metric("sentences-kept", model, grammar, 0, num=30) == 0
    model.reconstruct = lambda part: torch.where(torch.arange(len(part))[:, None, None] < 12, part.x, -1.0)
    assert metric("sentences-kept", model, grammar, 0, num=30) == pytest.approx(12 / 30)
    possible, garbled = grammar.test.x[:3], grammar.test.x[:1].flip(-1).expand(2, -1, -1)
    assert not grammar.law.log_prob(garbled).isfinite().any()
    model.decode = lambda codes: SimpleNamespace(mean=torch.cat([possible, garbled]))
    assert metric("sentences-possible", model, grammar, 0, between=True, num=5) == pytest.approx(3 / 5)


def words(*texts):
    """Texts of these words, ``(B, 1, 4)``."""
    return torch.tensor([[[*text, *[float(END)] * (4 - len(text))]] for text in texts], dtype=torch.float32)


def test_sentences_between_have_words_of_both(grammar):
    """Of five pairs: twice words of its own two, words of the next two, none, and of each as much of the longer text."""
    firsts = [0, 1], [18, 19], [2, 3], [4, 5], [6, 7, 16]
    seconds = [8, 9], [20, 21], [10, 11], [12, 13], [14, 15, 17]
    made = words([0, 8], [18, 20], [4, 12], [], [6, 14, 0, 8])
    model = create("autoencoder-text", grammar)
    model.code = lambda part: torch.zeros(len(part), 3)
    model.decode = lambda codes: SimpleNamespace(mean=made)
    told = replace(grammar, test=Split(words(*firsts, *seconds), None, "test", grammar.test.view))
    found = metric("sentences-between", model, told, 0)
    assert found == pytest.approx((1 + 1 + 0 + 0.5 + 0.5) / 5)


# ----------------------------------------------------------------------------------------------------------- pages


def shown(function, model, data):
    with evaluating(model), seeded(0):
        return list(function(model, data, []))


def test_a_page_writes_sentences(grammar):
    model = create("vae-text", grammar)
    (samples,) = shown(text_sections.sentences, model, grammar)
    assert samples.table[1][1] == grammar.vocabulary.write(grammar.test.x[:1])[0]
    assert "is possible" in samples.caption
    (again,) = shown(text_sections.said_again, model, grammar)
    assert len(again.table) == 13
    (line,) = shown(text_sections.between, model, grammar)
    assert [row[1] for row in line.table].count("from") == 2
    assert len(line.table) == 1 + 2 * (6 + 2)


def test_a_page_says_what_each_word_costs(grammar):
    model = create("lstm-lm", grammar)
    (panel,) = shown(text_sections.costs, model, grammar)
    with torch.no_grad():
        bits = -model.log_prob(grammar.test.x[:1]) / math.log(2)
    assert panel.table[1][1] == f"{float(bits):.1f}"
    assert panel.table[1][0].split(" · ")[-1].startswith("⏎")


def test_pages_of_pictures_write_none():
    model, data = create_vae(), load("digits")
    for function in (text_sections.sentences, text_sections.said_again, text_sections.between):
        assert shown(function, model, data) == []


@pytest.mark.parametrize("name", ["lstm-lm", "vae-text", "autoencoder-text"])
def test_the_report_of_a_run_has_nothing_that_fails(name, tmp_path):
    path = tmp_path / "own.txt"
    path.write_text("".join(f"{a} {b} {c}\n" for a in "ab" for b in "abc" for c in "abcd"))
    data = load(path, token="word", length=4)
    model = create(name, data, latent_size=2) if name != "lstm-lm" else create(name, data)
    fit(model, data, epochs=1, batch_size=8, folder=tmp_path / "run", progress=False, device="cpu")
    config = pyrogen.storage.read_config(tmp_path / "run")
    found = panels(tmp_path / "run", config, pyrogen.load(tmp_path / "run"))
    assert [panel.caption for panel in found if "could not" in panel.section] == []
    assert any(panel.table and panel.table[0] == ("the model", "test data") for panel in found)
    page = write_run_report(tmp_path / "run").read_text()
    assert f"pyrogen train {name}" in page
    assert "--token word" in page
    assert "--net NGram" in page
    path.unlink()
    lost = panels(tmp_path / "run", config, pyrogen.load(tmp_path / "run"))
    assert any(panel.table and panel.table[0] == ("the model",) for panel in lost)


def test_samples_are_written_as_text(tmp_path, grammar, capsys):
    from pyrogen.command.cli import main

    model = create("lstm-lm", grammar)
    fit(model, grammar, epochs=0, folder=tmp_path, progress=False, device="cpu")
    assert main(["sample", str(tmp_path), "--n", "3"]) == 0
    lines = (tmp_path / "samples.txt").read_text().splitlines()
    with np.load(tmp_path / "samples.npz") as drawn:
        assert grammar.vocabulary.write(torch.from_numpy(drawn["x"])) == lines
    assert "samples.txt" in capsys.readouterr().out
