"""Vectors of words: what stands together is near, what was dealt out is not, and arithmetic hits what it asks for."""

import pytest
import torch

from pyrogen.data import load
from pyrogen.inference import word_vectors
from pyrogen.inference.representations.word_vectors import WordVectors

NOUNS = "dog cat horse boy girl plate car train elephant giraffe bird cow tree boat kite"


@pytest.fixture(scope="module")
def grammar():
    return load("grammar")


@pytest.fixture(scope="module")
def nouns(grammar):
    """Nouns of the grammar, one and many."""
    words = grammar.vocabulary.entries
    return [(w, f"{w}s") for w in words if f"{w}s" in words]


def test_vectors_have_length_1_and_a_word_each(grammar):
    found = word_vectors(grammar, 8, least=1)
    assert found.vectors.shape == (len(found.words), 8)
    assert torch.allclose(found.vectors.norm(dim=1), torch.ones(len(found.words), dtype=torch.float64))
    assert torch.equal(found["the"], found.vectors[found.words.index("the")])
    assert "8" in repr(found)


def test_rare_words_have_none(grammar):
    few = word_vectors(grammar, 8, least=200)
    assert 8 < len(few.words) < len(word_vectors(grammar, 8, least=1).words)
    counts = torch.bincount(grammar.train.x[grammar.train.x >= 0].long())
    assert all(counts[grammar.vocabulary.numbers[word]] >= 200 for word in few.words)


def test_arithmetic_hits_the_number_and_not_of_shuffled_sentences(grammar, nouns):
    found, dealt = (word_vectors(grammar, 12, least=1, shuffled=shuffled) for shuffled in (False, True))
    real, control = found.hits(nouns, 10), dealt.hits(nouns, 10)
    assert real.value - control.value > 5 * max(real.error, control.error)
    a, b = nouns[0], nouns[-1]
    answers = found.analogy(*a, b[0], 10)
    assert len(answers) == len({*answers}) == 10
    assert not {*a, b[0]} & {*answers}
    assert found.near(a[0])[0] != a[0]


def test_each_question_that_has_an_answer_is_asked_once():
    """A city is its country and what all cities share; that two lie in one country is no question."""
    countries, cities = ("france", "italy", "spain"), {"lyon": 0, "paris": 0, "rome": 1, "madrid": 2}
    axes = torch.eye(4, dtype=torch.float64)
    vectors = torch.stack([*axes[:3], *((axes[k] + axes[3]) / 2**0.5 for k in cities.values())])
    found = WordVectors((*countries, *cities), vectors)
    pairs = [(city, countries[k]) for city, k in cities.items()]
    assert found.hits(pairs, 1).value == 1
    assert found.hits([*pairs, pairs[0]], 1) == found.hits(pairs, 1)


def test_questions_that_say_their_answer_are_no_questions():
    """Of three words with one partner the answer is always one of the question's own words."""
    words = ("walk", "run", "drive", "go", "cat", "cats")
    found = WordVectors(words, torch.eye(6, dtype=torch.float64))
    pairs = [(word, "go") for word in words[:3]]
    with pytest.raises(ValueError, match=r"0 of 3 pairs with vectors have a question .* an error needs 3"):
        found.hits(pairs)
    # one more pair asks all four once, of another answer
    assert found.hits([*pairs, ("cat", "cats")], 6).n == 4


def test_the_same_seed_gives_the_same_vectors(grammar):
    one, again, other = (word_vectors(grammar, 5, shuffled=True, seed=s) for s in (0, 0, 1))
    assert torch.equal(one.vectors, again.vectors)
    assert not torch.equal(one.vectors, other.vectors)


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda d: word_vectors(load("digits")), "take a data set of texts"),
        (lambda d: word_vectors(d, window=0), "from 1"),
        (lambda d: word_vectors(d, size=10_000), "shorter than that"),
        (lambda d: word_vectors(d, 5)["zebra"], "no word with a vector called 'zebra'"),
        (lambda d: word_vectors(d, 5).hits([("cat", "cats"), ("zebra", "zebras")]), "need 3"),
    ],
)
def test_what_has_no_vector_is_refused(act, message, grammar):
    with pytest.raises(ValueError, match=message):
        act(grammar)


def test_captions_carry_number_and_gender(need):
    need("text/coco_captions/train.txt")
    data = load("coco-captions")
    found, dealt = (word_vectors(data, shuffled=shuffled) for shuffled in (False, True))
    number = [(w, f"{w}s") for w in NOUNS.split()]
    gender = [("man", "woman"), ("men", "women"), ("boy", "girl"), ("his", "her")]
    for pairs, least in ((number, 0.2), (gender, 0.5)):
        assert found.hits(pairs).value > least
        assert dealt.hits(pairs).value < 0.1
