"""Vectors of words that know nothing but which words stand together, and what arithmetic with them hits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from pyrogen.data import Data
from pyrogen.inference.latents.measured import Measured, mean
from pyrogen.inference.programs.door import verb
from pyrogen.registry import unknown
from pyrogen.seeds import derived
from pyrogen.vocabulary import END

Pair = tuple[str, str]


@dataclass(frozen=True, repr=False)
class WordVectors:
    """A unit vector for each word.

    Attributes:
        words: those that stand often enough in the texts.
        vectors: ``(words, size)``, each of length 1.
    """

    words: tuple[str, ...]
    vectors: Tensor

    def __getitem__(self, word: str) -> Tensor:
        """The vector of a word, ``(size,)``.

        Raises:
            ValueError: it has none.
        """
        return self.vectors[self._place(word)]

    def near(self, word: str, top: int = 5) -> list[str]:
        """The words whose vectors have the largest cosine with a word's own."""
        return self._nearest(self[word], [self._place(word)], top)

    def analogy(self, a: str, b: str, c: str, top: int = 5) -> list[str]:
        """What is to c as b is to a: the words nearest to b − a + c by cosine, best first, none of the three among them.

        Reference: Mikolov, Yih & Zweig 2013, Linguistic regularities in continuous space word representations.

        Raises:
            ValueError: one of them has no vector.
        """
        asked = self[b] - self[a] + self[c]
        return self._nearest(asked, [self._place(word) for word in (a, b, c)], top)

    def hits(self, pairs: Sequence[Pair], top: int = 5) -> Measured:
        """The share of questions a : b = c : ? of which d is among the answers, (a, b) and (c, d) any two different pairs.

        The error is that of the mean over pairs (c, d), whose answers to all other pairs are one number; pairs of words that
        have no vectors are left out, and so are questions whose answer d is one of a, b and c, which no answer is.

        Raises:
            ValueError: fewer than 3 pairs have vectors, or are asked for, or have a question that can be answered.
        """
        known = [pair for pair in dict.fromkeys(pairs) if {*pair} <= {*self.words}]
        if len(known) < 3:
            raise ValueError(
                f"{len(known)} of {len(pairs)} pairs have vectors, and questions with an error need 3; read more text, or "
                "keep rarer words."
            )
        right = [
            [answer in self.analogy(a, b, asked, top) for a, b in known if answer not in (a, b, asked)]
            for asked, answer in known
        ]
        rates = torch.tensor([sum(hits) / len(hits) for hits in right if hits], dtype=torch.float64)
        if len(rates) < 3:
            raise ValueError(
                f"{len(rates)} of {len(known)} pairs with vectors have a question that does not say their answer, and "
                "an error needs 3; take pairs that share fewer words."
            )
        return mean(rates).of_share()

    def _place(self, word: str) -> int:
        if word not in self.words:
            raise unknown("word with a vector", word, self.words)
        return self.words.index(word)

    def _nearest(self, asked: Tensor, left_out: Sequence[int], top: int) -> list[str]:
        cosine = self.vectors @ asked
        cosine[list(left_out)] = -torch.inf
        return [self.words[at] for at in cosine.topk(min(top, len(self.words) - len(left_out))).indices.tolist()]

    def __repr__(self) -> str:
        return f"WordVectors({len(self.words):,} words, size {self.vectors.shape[1]})"


@verb
def word_vectors(
    data: Data, size: int = 25, window: int = 2, least: int = 5, shuffled: bool = False, seed: int = 0
) -> WordVectors:
    """Vectors of the words of a data set's training texts, from counts of which stand beside which.

    The leading ``size`` left singular vectors of positive mutual information, max(0, log p(a, b) / p(a) p(b)) of words a and
    b at most ``window`` places apart, each times the root of its singular value: what skip-grams with negative sampling
    factorize too, but for their constant. What is shorter than the structure of a text drowns in longer vectors.

    References: Levy & Goldberg 2014, Neural word embedding as implicit matrix factorization; Levy, Goldberg & Dagan 2015,
    Improving distributional similarity with lessons learned from word embeddings.

    Args:
        data: of tokens.
        size: of a vector.
        window: how far apart words may stand, in words.
        least: how often a word stands in the texts at least to have a vector.
        shuffled: whether the words are dealt out over all places first: the control, of the same frequencies.
        seed: of the dealing, and of where the decomposition begins.

    Raises:
        ValueError: data of another kind, sizes that mean nothing, or a vector longer than there are words.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.linalg import svds

    if data.vocabulary is None:
        raise ValueError(f"words have vectors, and {data.name!r} is of kind {data.kind!r}; take a data set of texts.")
    if window < 1 or least < 1:
        raise ValueError(f"window={window}, least={least}: both are whole numbers from 1.")
    tokens = data.train.x.flatten(1).long()
    stands = tokens != END
    if shuffled:
        rng = torch.Generator().manual_seed(derived(seed, 19)[0])
        said = tokens[stands]
        tokens = tokens.clone()
        tokens[stands] = said[torch.randperm(len(said), generator=rng)]
    written = data.vocabulary.entries
    often = torch.bincount(tokens[stands], minlength=len(written)) >= least
    kept = often.nonzero()[:, 0]
    if not 1 <= size < len(kept):
        raise ValueError(f"size={size}: of {len(kept)} words that stand {least} times vectors are shorter than that.")
    place = torch.full((len(written),), -1)
    place[kept] = torch.arange(len(kept))
    at = torch.where(stands, place[tokens], -1)
    beside = [torch.stack([at[:, :-k].flatten(), at[:, k:].flatten()]) for k in range(1, window + 1)]
    both = torch.cat(beside, 1)
    pairs = both[:, (both >= 0).all(0)].numpy()
    counts = coo_matrix((np.ones(pairs.shape[1]), pairs), shape=(len(kept), len(kept))).tocsr()
    counts = (counts + counts.T).tocoo()
    each = np.asarray(counts.sum(1)).ravel()
    information = np.log(counts.data * counts.sum() / (each[counts.row] * each[counts.col]))
    positive = coo_matrix((np.maximum(information, 0.0), (counts.row, counts.col)), shape=counts.shape).tocsr()
    start = np.random.default_rng(derived(seed, 23)[0]).normal(size=len(kept))
    left, values, _ = svds(positive, size, v0=start)
    vectors = torch.from_numpy((left * np.sqrt(values))[:, ::-1].copy())
    return WordVectors(tuple(written[k] for k in kept.tolist()), normalize(vectors, dim=1))
