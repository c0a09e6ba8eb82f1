"""Texts as data: vocabularies, files of one's own, the named sets, and a grammar whose every probability is known."""

import itertools

import pytest
import torch

import pyrogen
from pyrogen.data import from_arrays, load
from pyrogen.data.grammar import AFTER, Grammar
from pyrogen.data.text import read_lines
from pyrogen.kinds import kind_named
from pyrogen.registry import describe, make
from pyrogen.vocabulary import END, Characters, Words, lengths, numbered, scored

SENTENCES = ["the cat sees the dog", "a dog", "the cat", "a cat sees", "the dog sees a cat"]


def test_a_vocabulary_numbers_words_by_how_often_they_are_there():
    words = Words.of(SENTENCES, at_least=2)
    assert words.entries == ("cat", "the", "a", "dog", "sees", "<unknown>")
    assert Words.of(SENTENCES, at_most=2).words == "cat the"
    assert len(words) == 6
    x = words.read(["a cat sees", "the bird"], 4)
    assert x.tolist() == [[[2, 0, 4, END]], [[1, 5, END, END]]]
    assert words.write(x) == ["a cat sees", "the <unknown>"]
    assert (lengths(x).flatten().tolist(), scored(x).tolist()) == ([3, 2], [4, 3])


def test_characters_are_a_vocabulary_too():
    letters = Characters.of(["ab a\n", "b"])
    assert letters.entries == ("a", "b", "\n", " ", letters.unknown)
    assert letters.write(letters.read(["ba b\n"])) == ["ba b\n"]
    assert scored(letters.read(["abab"])).tolist() == [4]  # a row that is full has no end to score


@pytest.mark.parametrize("vocabulary", [Words.of(SENTENCES), Characters.of(SENTENCES), numbered(3)])
def test_a_vocabulary_is_plain_data(vocabulary):
    assert make("vocabulary", describe(vocabulary)) == vocabulary
    assert make("vocabulary", vocabulary).entries == vocabulary.entries


WRONG_WORDS = {
    "twice": (lambda: Words("a b a"), "holds 'a' more than once"),
    "too long": (lambda: Words("a b").read(["a", "a b a"], 2), "text 2 has 3 words.* length here is 2"),
    "no list": (lambda: Words("a b").read("a b"), "expected texts as a list"),
    "no word": (lambda: Words("a b").write(torch.tensor([[[7.0]]])), "number 7 stands for no word"),
    "no sentence": (lambda: Words("a b").write(torch.zeros(3)), r"tokens of shape \(N, 1, T\); got \(3,\)"),
    "too rare": (lambda: Words.of(["a b"], at_least=2), "no word is in the texts 2 times"),
    "too many": (lambda: numbered(2**24), "too many|as many words"),
}


@pytest.mark.parametrize(("ask", "message"), WRONG_WORDS.values(), ids=WRONG_WORDS)
def test_what_is_no_text_is_refused(ask, message):
    with pytest.raises(ValueError, match=message) as caught:
        ask()
    assert "\n" not in str(caught.value)


@pytest.fixture
def book(tmp_path):
    path = tmp_path / "book.txt"
    path.write_text("".join(f"{s}\n" for s in SENTENCES * 4) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("token", ["word", "character"])
def test_a_text_of_ones_own(book, token):
    data = load(book, token=token)
    assert (data.kind, data.name, len(data.train), len(data.test)) == ("tokens", "book", 16, 2)
    written = {s for part in (data.train, data.valid, data.test) for s in data.vocabulary.write(part.x)}
    assert written <= set(SENTENCES)
    said = data.describe()
    assert said["vocabulary"]["level"] == said["token"] == token
    assert max(said["vocabulary"]["longest"].values()) == data.x_shape[-1] == {"word": 5, "character": 20}[token]
    assert data.vocabulary.write(data.like(["a dog", "the cat"]).x) == ["a dog", "the cat"]
    again = load(said["source"], token=said["token"], length=said["length"])
    assert again.sha256 == data.sha256


BAD_FILES = {
    "an empty line": (b"a b\n\nc\nd\n", {}, "line 2 is empty"),
    "another encoding": ("a b\ncafé\n".encode("latin-1"), {}, "line 2 is not in UTF-8"),
    "too long": (b"a b\na b c\na\n", {"length": 2}, r"line 2 has 3 words, more than length=2; .* length=3"),
    "too few": (b"a b\n", {}, "1 lines, too few"),
    "no such level": (b"a\na\na\n", {"token": "letter"}, "no vocabulary called 'letter'"),
    "numbers": (b"a\na\na\n", {"missing": True}, "missing=True reads NaN in a file of numbers"),
    "another kind": (b"a a\na a\na\na\n", {"kind": "counts"}, "offers kind 'tokens', not 'counts'"),
}


@pytest.mark.parametrize(("content", "wishes", "message"), BAD_FILES.values(), ids=BAD_FILES)
def test_files_that_are_no_texts_are_refused_by_the_line(tmp_path, content, wishes, message):
    path = tmp_path / "bad.txt"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message) as caught:
        load(path, **wishes)
    assert "\n" not in str(caught.value)


def test_only_what_ends_a_line_in_an_editor_ends_a_sentence(tmp_path):
    path = tmp_path / "own.txt"
    path.write_bytes("a\u2028b\rc\x0bd\r\ne\x85f\ng\x1ch\n".encode())
    assert read_lines(path) == ["a\u2028b", "c\x0bd", "e\x85f", "g\x1ch"]
    path.write_bytes("a\rb\r\ncaf\u00e9".encode("latin-1"))
    with pytest.raises(ValueError, match="line 3 is not in UTF-8"):
        read_lines(path)


def test_only_files_of_text_are_cut():
    with pytest.raises(ValueError, match=r"token= and length= say how a \.txt file is cut"):
        load("digits", token="word")


def test_tokens_in_memory_have_their_numbers_for_words():
    x = torch.tensor([[[3, 1, -1]], [[2, -1, -1]], [[0, 4, 9]]] * 5)
    data = from_arrays(x, kind="tokens")
    assert len(data.vocabulary) == 11
    assert data.vocabulary.write(x[:3]) == ["3 1", "2", "0 4 9"]
    with pytest.raises(ValueError, match="not 'tokens'"):
        from_arrays(torch.tensor([[[3, -1, 1]]] * 9), kind="tokens")
    assert from_arrays(torch.rand(9, 4)).vocabulary is None


# ------------------------------------------------------------------------------------------------------ named sets


FILES = {
    "snips": {f"{s}.{kind}": 3 for s in ("train", "valid", "test") for kind in ("seq.in", "label")},
    "coco_captions": {"train.txt": 20, "test.txt": 3},
}


@pytest.mark.parametrize("layout", ["", "torchvision"])
def test_named_texts_lie_where_the_variable_says(tmp_path, monkeypatch, layout):
    for folder, files in FILES.items():
        for file, lines in files.items():
            path = tmp_path / "text" / folder / file
            path.parent.mkdir(parents=True, exist_ok=True)
            made = ["Play", "Rate", "Play"] if file.endswith("label") else (SENTENCES * 4)[:lines]
            path.write_text("".join(f"{line}\n" for line in made))
    (tmp_path / "text" / "tinyshakespeare").mkdir()
    (tmp_path / "text" / "tinyshakespeare" / "input.txt").write_text("To be, or not\nto be. " * 40)
    (tmp_path / "torchvision").mkdir()
    monkeypatch.setenv("PYROGEN_DATA", str(tmp_path / layout))
    snips, captions = load("snips"), load("coco-captions(token='character')")
    assert (snips.class_names, snips.train.y.tolist()) == (("Play", "Rate"), [0, 1, 0])
    assert captions.vocabulary.write(captions.test.x) == SENTENCES[:3]
    play = load("tinyshakespeare(length=21)")
    assert play.vocabulary.write(play.train.x)[0] == "To be, or not\nto be. "
    (tmp_path / "text" / "snips" / "train.label").write_text("Play\n")
    with pytest.raises(ValueError, match="3 sentences and 1 labels in train"):
        load("snips")


@pytest.mark.parametrize("name", ["snips", "coco-captions", "tinyshakespeare"])
def test_a_text_that_is_not_there_names_its_original(tmp_path, monkeypatch, name):
    monkeypatch.setenv("PYROGEN_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(ValueError, match=rf"cannot get {name}: looked for text/.* github.com"):
        load(name)


def test_the_captions_themselves(need):
    need("text/coco_captions/train.txt")
    data = load("coco-captions")
    assert [len(s) for s in (data.train, data.valid, data.test)] == [9_000, 1_000, 10_000]
    assert data.x_shape == (1, 35)
    assert len(data.vocabulary) == 2_969


# --------------------------------------------------------------------------------------------------------- grammar


@pytest.fixture(scope="module")
def grammar():
    return Grammar()


def test_the_grammar_knows_its_own_samples(grammar):
    x, topics = grammar.sample(20_000, torch.Generator().manual_seed(1))
    assert kind_named("tokens").check(x.float())
    assert torch.bincount(topics).float().std() < 120
    rows, counts = x.unique(dim=0, return_counts=True)
    few = counts.argsort(descending=True)[:40]
    expected = 20_000 * grammar.log_prob(rows[few]).exp()
    z = (counts[few] - expected) / expected.sqrt()
    assert z.abs().max() < 4.5
    assert grammar.log_prob(x[:200]).isfinite().all()


def test_the_grammars_probabilities_are_those_of_a_walk(grammar):
    """One sentence by hand: topic and both numbers, then each word and each step."""
    words = grammar.vocabulary
    x = words.read(["the cats follow again"], 10)
    start = 1 / 24
    # "the" and "cats" say that subjects are many, and the topic; of objects nothing is said
    by_hand = 2 * start * (0.25 / 0.9) * 0.6 * 0.5 * (0.15 / 0.9) * AFTER["verb"]["adverb"] * 0.25
    assert grammar.log_prob(x).exp().item() == pytest.approx(by_hand, rel=1e-9)
    for no_sentence in ("the cats follows again", "a cats follow again", "cat", "the cat boils"):
        assert grammar.log_prob(words.read([no_sentence], 10)).isneginf()


def test_the_grammar_adds_up(grammar):
    """The probabilities of all sentences that begin with a topic's least path, and of all lengths of it."""
    parts = ["a", "this", "the", "some", "these"]
    nouns, verbs = [f"{w}{s}" for w in ["cat", "dog", "bird", "horse"] for s in ("", "s")], ["chase", "hear", "follow"]
    verbs = [*verbs, *(f"{v}s" for v in verbs)]
    every = [" ".join(w) for w in itertools.product(parts, nouns, verbs)]
    total = grammar.log_prob(grammar.vocabulary.read(every, 10)).exp().sum()
    # no adjective, then no object and no adverb, in one topic of six
    assert total.item() == pytest.approx(0.6 * 0.1 / 6, rel=1e-9)


def test_a_law_is_found_with_its_data():
    data = load("grammar")
    assert data.classes == 6
    assert data.law.log_prob(data.test.take(50).x).mean().item() == pytest.approx(-11.6, abs=0.8)
    assert pyrogen.data.load("digits").law is None
