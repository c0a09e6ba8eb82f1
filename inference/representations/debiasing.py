"""A classifier taught on training data resampled by how rare their codes are, and what it then knows of exceptions."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import torch

from pyrogen.base import HasFeatures, Model
from pyrogen.data import Data, Split
from pyrogen.inference.latents.analysis import Analysis, Finding
from pyrogen.inference.programs.door import verb
from pyrogen.inference.representations.disentanglement import known_factors
from pyrogen.inference.representations.readers import Reader
from pyrogen.inference.representations.representation import Codes, Representation, scaled
from pyrogen.inference.representations.shares import Shares
from pyrogen.registry import choice, make, unknown
from pyrogen.seeds import numpy_generator

RESAMPLED, PLAIN, DEALT = "data resampled by codes", "data as they are", "the same weights dealt out at random"
MINORITY, MAJORITY = "exceptions", "other test data"
TELLS = 0.1  # nats, of one factor by another
MANY = 100  # labelled data of each class, by which readers choose their size


def rarity(codes: np.ndarray, y: np.ndarray, smoothing: float = 0.1, bins: int = 10) -> np.ndarray:
    """How rare each datum is among those of its class, wₙ ∝ Π_i 1 / (Q_i(zₙᵢ|yₙ) + α), ``(N,)``, in each class of mean 1.

    Q_i(.|y) is a histogram of code i of the class's data, from the least to the greatest, whose largest bin is 1: α is the
    share of it that counts as rare at all. A rare datum of a class is one whose codes most others of it do not have.

    Reference: Amini et al. 2019, Uncovering and mitigating algorithmic bias through learned latent structure, equation 5, of
    one class alone.

    Args:
        codes: ``(N, n)``.
        y: labels, ``(N,)``.
        smoothing: α, above 0: the larger, the nearer all weights are to 1.
        bins: of each histogram.

    Raises:
        ValueError: a smoothing that is not above 0, or fewer than 2 bins.
    """
    if not smoothing > 0 or bins < 2:
        raise ValueError(f"smoothing={smoothing}, bins={bins}: weights need a smoothing above 0 and 2 bins or more.")
    log_w = np.zeros(len(y))
    for k in np.unique(y):
        rows = np.flatnonzero(y == k)
        for column in codes[rows].T:
            counts, edges = np.histogram(column, bins)
            place = np.clip(np.searchsorted(edges, column, "right") - 1, 0, bins - 1)
            log_w[rows] -= np.log(counts[place] / counts.max() + smoothing)
        log_w[rows] -= log_w[rows].max()
        log_w[rows] -= np.log(np.exp(log_w[rows]).mean())
    found: np.ndarray = np.exp(log_w)
    return found


@verb
def debias(
    model: Model,
    data: Data,
    factor: str,
    bias: str,
    smoothing: float = 0.1,
    representation: Representation | str = "Pixels",
    reader: Reader | str = "Linear",
    draws: int = 5,
    limit: int = 5000,
    seed: int = 0,
) -> Shares:
    """How often a classifier names exceptions right that was taught on data resampled by how rare their codes are.

    The classifier learns a factor from as many training data as there are, drawn with replacement ``draws`` times: by
    :func:`rarity` of the model's codes, which know of no bias; evenly; and, as a control, by the same weights dealt out at
    random within each class. Columns: exceptions, the test data whose value of ``bias`` is not the one that most training
    data of their class have; and all others.

    Should not be confused with weights by the labels of the bias, which need to be known.
    Reference: Amini et al. 2019, Uncovering and mitigating algorithmic bias through learned latent structure.

    Args:
        model: with codes, or hidden units, trained on the data and told no y.
        data: with several labels a datum.
        factor: the name of the one that is learned.
        bias: the name of the one that goes with it in training, by which exceptions are told, and nothing else.
        smoothing: of the weights.
        representation: what the classifier reads.
        reader: the classifier.
        draws: of training data.
        limit: training data that are looked at.
        seed: of the draws.

    Raises:
        ValueError: no such factors, or a model that describes no data.
    """
    names = known_factors(data)
    for name in (factor, bias):
        if name not in names:
            raise unknown(f"factor of {data.name!r}", name, names or ["(none)"])
    if factor == bias or draws < 1:
        raise ValueError(f"factor={factor!r}, bias={bias!r}, draws={draws}: needs two factors, and 1 draw or more.")
    (pool, y, y_bias), (test, truth, other) = (
        _asked(split, names.index(factor), names.index(bias)) for split in (data.train.spread(limit), data.test)
    )
    encoder, made = Codes().of(model, data, seed), make("reader", reader)
    read = make("representation", representation).of(model, data, seed)
    rows, asked = scaled(read(pool), read(test))
    weights, rng = rarity(encoder(pool), y, smoothing), numpy_generator(seed, 13)
    usual = {k: np.bincount(y_bias[y == k]).argmax() for k in np.unique(y)}
    exception = np.array([usual.get(k, b) != b for k, b in zip(truth, other, strict=True)])
    found: dict[str, list[np.ndarray]] = {RESAMPLED: [], PLAIN: [], DEALT: []}
    for _ in range(draws):
        dealt = weights.copy()
        for k in usual:
            dealt[y == k] = rng.permutation(weights[y == k])
        for way, w in ((RESAMPLED, weights), (PLAIN, np.ones(len(y))), (DEALT, dealt)):
            drawn = rng.choice(len(y), len(y), p=w / w.sum())
            found[way].append(made.named(rows[drawn], y[drawn], asked, MANY) == truth)
    hits = {way: torch.from_numpy(np.stack(right)) for way, right in found.items()}
    which = {MINORITY: exception, MAJORITY: ~exception}
    share = np.mean([usual[k] == b for k, b in zip(y, y_bias, strict=True)])
    return Shares(
        {
            column: {way: right[:, torch.from_numpy(rows)] for way, right in hits.items()}
            for column, rows in which.items()
        },
        f"The {factor} of {data.name!r} is learned from {len(y)} data, of which {share:.0%} have the {bias} that is usual "
        f"for it; {int(exception.sum())} of {len(truth)} test data are exceptions.",
    )


@choice("analysis", "debiasing")
class Debiasing(Analysis):
    """Whether training data resampled by how rare their codes are teach exceptions to a bias, see :func:`debias`.

    Args:
        factor: what is learned; None: of the two factors that go together most in training, the first.
        bias: what goes with it; None: the second.
        smoothing: of the weights.
        representation: what the classifier reads.
        draws: of training data.
        limit: training data that are looked at.
    """

    title = "Do rare codes find the data that a bias hides?"
    order = 67

    def __init__(
        self,
        factor: str | None = None,
        bias: str | None = None,
        smoothing: float = 0.1,
        representation: str = "Pixels",
        draws: int = 5,
        limit: int = 5000,
    ) -> None:
        self.factor, self.bias, self.smoothing = factor, bias, smoothing
        self.representation, self.draws, self.limit = representation, draws, limit

    def refusal(self, model: Model, data: Data) -> str:
        """Why it cannot be asked."""
        if not isinstance(model, HasFeatures) or model.is_told:
            return f"{type(model).__name__} has no codes that it makes of x alone, by which rare data are found."
        if None in (self.factor, self.bias) and not biased_factors(data):
            return (
                f"in training data of {data.name!r} no two known factors go together, as they do in "
                "sprites(biased=['red circle', 'green square'])."
            )
        return ""

    def run(self, model: Model, data: Data, seed: int = 0) -> Finding:
        """Ask it."""
        usual = biased_factors(data) or ("", "")
        found = debias(
            model,
            data,
            self.factor or usual[0],
            self.bias or usual[1],
            self.smoothing,
            self.representation,
            draws=self.draws,
            limit=self.limit,
            seed=seed,
        )
        return found.finding("debiasing", "codes in which the bias is no direction of its own do not find exceptions")


def biased_factors(data: Data) -> tuple[str, str] | None:
    """The two factors of which one tells most of the other in training, if it tells 0.1 nats or more; None if none does.

    What they tell is Σ p(a, b) log p(a, b) / p(a) p(b), as counted, which of independent factors is above 0 by chance.
    """
    from sklearn.metrics import mutual_info_score

    names, found = known_factors(data), {}
    if not names or data.train.y is None:
        return None
    y = data.train.y.cpu()
    for i, j in combinations(range(len(names)), 2):
        found[names[i], names[j]] = mutual_info_score(y[:, i], y[:, j])
    most = max(found, key=lambda pair: found[pair])
    return most if found[most] >= TELLS else None


def _asked(split: Split, factor: int, bias: int) -> tuple[Split, np.ndarray, np.ndarray]:
    """A split without labels, and those of the two factors."""
    assert split.y is not None  # factors are known
    y = split.y.cpu().numpy()
    return Split(split.x, None, "test", split.view), y[:, factor], y[:, bias]
