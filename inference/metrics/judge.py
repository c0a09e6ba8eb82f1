"""The classifiers that judge: a convolutional network of images, word counts of texts, support vectors of any data."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np
import torch
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC
from torch import Tensor

from pyrogen.data.split import evenly
from pyrogen.inference.latents.judging import Judge, Learned
from pyrogen.inference.programs.contexts import seeded
from pyrogen.nets.features import Features
from pyrogen.registry import choice

STEPS = 1500  # of a network
BLOCK = 1000


@choice("judge")
class Network(Judge):
    """A small convolutional network of images; its features are its last hidden layer.

    Args:
        width: channels of the first layer, by default twice that of the networks that models learn to see by.
        seed: of its weights and batches.
        trust: the share of real test data that it must name right.
    """

    def __init__(self, width: int = 32, seed: int = 0, trust: float = 0.9) -> None:
        self.width, self.seed, self.trust = width, seed, trust

    def learn(self, x: Tensor, y: Tensor) -> Learned:
        """Train it by Adam on the cross-entropy."""
        if x.dim() != 4:
            raise ValueError(
                f"the judge Network looks at images, x_shape=(C, H, W), and these are x_shape={tuple(x.shape[1:])}; take "
                "judge='SupportVectors'."
            )
        with seeded(self.seed), torch.no_grad():
            network = Features(x.shape[1:], self.width)
            network.passes = max(1, min(network.passes, STEPS * network.batch // len(x)))
            head = network.fit(x, y)

        @torch.no_grad()
        def features(images: Tensor) -> Tensor:
            parts = images.detach().cpu().to(x.dtype).split(BLOCK)
            return torch.cat([network(part)[-1] for part in parts])

        @torch.no_grad()
        def maps(images: Tensor) -> Tensor:
            parts = images.detach().cpu().to(x.dtype).split(BLOCK)
            return torch.cat([network(part)[0] for part in parts])

        def scores(images: Tensor) -> Tensor:
            found: Tensor = head(features(images))
            return found

        def names(images: Tensor) -> Tensor:
            return scores(images).argmax(1)

        state = [*network.state_dict().values(), *head.state_dict().values()]
        return Learned(scores, names, features, _digest(t.numpy() for t in state), len(x), maps)


@choice("judge")
class SupportVectors(Judge):
    """Support vector machines with the Gaussian kernel on all elements of x, one for each two classes.

    Its features are their margins, and by votes of all it names a class. The score of a class is its least margin against
    another, which votes do not tell: where no class is near a datum, none has a high probability.

    Args:
        cost: of a datum on the wrong side, C.
        trust: the share of real test data that it must name right.
        limit: data that they learn from; the time that they take grows with the square.
    """

    limit: int

    def __init__(self, cost: float = 10.0, trust: float = 0.9, limit: int = 5000) -> None:
        self.cost, self.trust, self.limit = cost, trust, limit

    def learn(self, x: Tensor, y: Tensor) -> Learned:
        """Fit them."""
        if len(y.unique()) < 2:
            raise ValueError(f"a judge tells classes apart, and all {len(y)} labels are alike; take data of several.")
        some = evenly(len(x), self.limit)
        x, y = x[some], y[some]
        # nothing of it is random, and yet without a state it would draw from NumPy's own
        machine = SVC(C=self.cost, decision_function_shape="ovo", random_state=0).fit(_rows(x), y.numpy())
        classes = torch.from_numpy(machine.classes_)
        first, second = torch.triu_indices(len(classes), len(classes), 1)

        def features(data: Tensor) -> Tensor:
            margins = torch.from_numpy(machine.decision_function(_rows(data)))
            # of two classes the sign is the other one
            return margins if margins.dim() == 2 else -margins.unsqueeze(1)

        def scores(data: Tensor) -> Tensor:
            margins = features(data)
            # classes that the training data lack are never named
            least = margins.new_full((len(margins), int(classes.max()) + 1), -torch.inf)
            for k, name in enumerate(classes.tolist()):
                won = torch.cat([margins[:, first == k], -margins[:, second == k]], 1)
                least[:, name] = won.amin(1)
            return least

        def names(data: Tensor) -> Tensor:
            return torch.from_numpy(machine.predict(_rows(data)))

        learned = (machine.support_vectors_, machine.dual_coef_, machine.intercept_)
        return Learned(scores, names, features, _digest(learned), len(x))


@choice("judge")
class WordCounts(Judge):
    """Logistic regression on how often each word is in a text, whatever their order; its features are the log odds.

    Args:
        cost: of a text on the wrong side, the inverse of the weight of the squared coefficients.
        trust: the share of real test data that it must name right.
    """

    def __init__(self, cost: float = 1.0, trust: float = 0.9) -> None:
        self.cost, self.trust = cost, trust

    def learn(self, x: Tensor, y: Tensor) -> Learned:
        """Fit it."""
        if len(y.unique()) < 2:
            raise ValueError(f"a judge tells classes apart, and all {len(y)} labels are alike; take data of several.")
        words = int(x.max()) + 1
        machine = LogisticRegression(C=self.cost, max_iter=1000).fit(_counts(x, words), y.numpy())

        def scores(data: Tensor) -> Tensor:
            odds = torch.from_numpy(machine.predict_log_proba(_counts(data, words)))
            # classes that the training data lack are never named
            found = odds.new_full((len(odds), int(machine.classes_.max()) + 1), -torch.inf)
            found[:, torch.from_numpy(machine.classes_)] = odds
            return found

        def names(data: Tensor) -> Tensor:
            return scores(data).argmax(1)

        return Learned(scores, names, scores, _digest([machine.coef_, machine.intercept_]), len(x))


def _counts(x: Tensor, words: int) -> csr_matrix:
    """How often each of so many words is in each text, ``(N, words)``; those that it has not learned from count nothing."""
    tokens = x.detach().flatten(1).long().cpu().numpy()
    row, place = np.nonzero((tokens >= 0) & (tokens < words))
    return csr_matrix((np.ones(len(row)), (row, tokens[row, place])), shape=(len(tokens), words))


def _rows(x: Tensor) -> np.ndarray:
    rows: np.ndarray = x.detach().flatten(1).cpu().numpy()
    return rows


def _digest(arrays: Iterable[np.ndarray]) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(str(array.shape).encode() + np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:12]
