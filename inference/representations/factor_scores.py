"""Scores of how far each latent is one factor: 0 for codes that know nothing, 1 for perfect ones.

Each takes two halves of the data, ``(codes, factors)`` of shapes ``(N, n)`` and ``(N, F)``: one to learn from, one to be
judged by. Accuracies a are shown above that of guessing c, as (a − c) / (1 − c).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import xarray as xr
from torch import Tensor

from pyrogen.arguments import at_least
from pyrogen.inference.evidence.progress import track
from pyrogen.inference.programs.door import verb
from pyrogen.registry import unknown
from pyrogen.seeds import numpy_generator

BINS = 20
IDLE = 0.01  # of the largest variance of a code: what varies less than that does not vote
VOTES, BATCH = 500, 32
FEWEST = 20  # data, of which one half learns and one judges

Half = tuple[np.ndarray, np.ndarray]


def mutual_informations(codes: np.ndarray, factors: np.ndarray, bins: int = BINS) -> np.ndarray:
    """Normalized mutual information of each code, cut into bins of equal numbers, and each factor: ``(n, F)``.

    (I − E I) / (H − E I), H the factor's entropy and E I what I is on average when the factor is shuffled, which the plug-in
    estimate exceeds 0 by; codes of few values are taken as they are.
    """
    cut = np.column_stack([_binned(code, bins) for code in codes.T])
    return np.array([[_adjusted(code, factor) for factor in factors.T] for code in cut.T])


def mutual_information_gap(learn: Half, judge: Half, rng: np.random.Generator) -> dict[str, float]:
    """MIG: by how much the code that knows most of a factor knows more of it than the next, averaged over factors.

    1/F Σ_f [I(z_(1); f) − I(z_(2); f)] / H(f). Reference: Chen et al. 2018, arXiv:1802.04942, section 4.
    """
    return {"mig": _gap(mutual_informations(*judge))}


def separated_attribute_predictability(learn: Half, judge: Half, rng: np.random.Generator) -> dict[str, float]:
    """SAP: the same gap, of how well thresholds on a single code tell the factor's value.

    Reference: Kumar et al. 2018, Variational inference of disentangled latent concepts, arXiv:1711.00848, section 3.
    """
    from sklearn.tree import DecisionTreeClassifier

    (z, f), (unseen, truth) = learn, judge
    right = np.zeros((z.shape[1], f.shape[1]))
    for j in range(f.shape[1]):
        leaves = max(2, len(np.unique(f[:, j])))
        for i in range(z.shape[1]):
            tree = DecisionTreeClassifier(max_leaf_nodes=leaves, class_weight="balanced", random_state=0)
            named = tree.fit(z[:, [i]], f[:, j]).predict(unseen[:, [i]])
            right[i, j] = _above_chance(_balanced(truth[:, j], named), 1 / leaves)
    return {"sap": _gap(right)}


def dci(learn: Half, judge: Half, rng: np.random.Generator) -> dict[str, float]:
    """DCI: a forest names each factor from all codes; how its trust R ``(n, F)`` is spread over factors, and over codes.

    disentangled = Σᵢ ρᵢ (1 − H_F(Rᵢ·)), ρᵢ a code's share of all trust;  complete = 1/F Σⱼ (1 − H_n(R·ⱼ));  informative: how
    often it is right above chance. Reference: Eastwood & Williams 2018, A framework for the quantitative evaluation of
    disentangled representations.
    """
    from sklearn.ensemble import RandomForestClassifier

    (z, f), (unseen, truth) = learn, judge
    trust, right = np.zeros((z.shape[1], f.shape[1])), []
    for j in range(f.shape[1]):
        # all codes at every cut: of some only, a tree must often trust one that knows nothing
        forest = RandomForestClassifier(
            20, max_features=None, min_samples_leaf=4, random_state=int(rng.integers(2**31))
        )
        forest.fit(z, f[:, j])
        trust[:, j] = forest.feature_importances_
        right.append(_above_chance(_balanced(truth[:, j], forest.predict(unseen)), 1 / len(np.unique(truth[:, j]))))
    weights = trust.sum(1) / max(trust.sum(), np.finfo(float).tiny)
    return {
        "disentangled": float(weights @ _concentration(trust)),
        "complete": float(_concentration(trust.T).mean()),
        "informative": float(np.mean(right)),
    }


def beta_vae_score(learn: Half, judge: Half, rng: np.random.Generator) -> dict[str, float]:
    """Of pairs that share one factor, a linear classifier tells which from the mean |z − z′|: its accuracy above chance.

    Reference: Higgins et al. 2017, β-VAE, appendix A.4.
    """
    from sklearn.linear_model import LogisticRegression

    def vote(half: Half, factor: int) -> np.ndarray:
        rows = _sharing(half[1], factor, 2 * BATCH, rng)
        difference: np.ndarray = np.abs(half[0][rows[:BATCH]] - half[0][rows[BATCH:]]).mean(0)
        return difference

    (x, y), (unseen, truth) = (_votes(half, vote, rng) for half in (learn, judge))
    # of votes around 0 its intercepts are free of its slopes, and it converges; that changes no optimum
    mean, scale = x.mean(0), np.maximum(x.std(0), np.finfo(float).tiny)
    judged = LogisticRegression(C=100.0, max_iter=1000).fit((x - mean) / scale, y).predict((unseen - mean) / scale)
    return {"beta_vae": _above_chance(float((judged == truth).mean()), 1 / learn[1].shape[1])}


def factor_vae_score(learn: Half, judge: Half, rng: np.random.Generator) -> dict[str, float]:
    """Of data that share one factor, the code that varies least votes for it: accuracy of the majority vote above chance.

    Codes are measured in their own standard deviations, and those that hardly vary at all do not vote.
    Reference: Kim & Mnih 2018, arXiv:1802.05983, section 3.
    """
    variance = learn[0].var(0)
    awake = np.flatnonzero(variance > IDLE * variance.max())
    if not len(awake):
        return {"factor_vae": 0.0}

    def vote(half: Half, factor: int) -> np.ndarray:
        rows = _sharing(half[1], factor, BATCH, rng)
        spread: np.ndarray = half[0][rows][:, awake].var(0) / variance[awake]
        return np.array([spread.argmin()])

    (x, y), (unseen, truth) = (_votes(half, vote, rng) for half in (learn, judge))
    counts = np.zeros((len(awake), learn[1].shape[1]))
    np.add.at(counts, (x[:, 0], y), 1)
    right = float((counts.argmax(1)[unseen[:, 0]] == truth).mean())
    return {"factor_vae": _above_chance(right, 1 / learn[1].shape[1])}


Rule = Callable[[Half, Half, np.random.Generator], dict[str, float]]

SCORES: dict[str, tuple[str, Rule]] = {
    "mig": ("MIG", mutual_information_gap),
    "sap": ("SAP", separated_attribute_predictability),
    "beta_vae": ("β-VAE score", beta_vae_score),
    "factor_vae": ("FactorVAE score", factor_vae_score),
    "disentangled": ("DCI disentanglement", dci),
    "complete": ("DCI completeness", dci),
    "informative": ("DCI informativeness", dci),
}


@verb
def disentanglement(
    codes: Tensor | np.ndarray,
    factors: Tensor | np.ndarray,
    scores: Sequence[str] | None = None,
    repeats: int = 3,
    seed: int = 0,
) -> xr.Dataset:
    """The five scores of codes, each repeated on random halves of the data: one to learn from, one to be judged by.

    All are corrected for chance, so that codes of shuffled factors score 0 up to noise, and perfect ones 1: mutual
    information by its expectation over permutations (Vinh et al. 2010), accuracies by that of guessing.

    Args:
        codes: ``(N, n)``.
        factors: whole numbers, ``(N, F)``; their order means nothing. Those of one value are left out, for nothing can be
            known of them; 2 at least are left.
        scores: which ones; by default all.
        repeats: how many halvings.
        seed: of them, and of all that is drawn.

    Returns:
        ``mig``, ``sap``, ``beta_vae``, ``factor_vae``, ``disentangled``, ``complete`` and ``informative`` (the three of DCI)
        over ``repeat``; the attribute ``factors`` is how many are scored, ``left_out`` how many have one value.

    Raises:
        ValueError: an unknown score, fewer than 2 factors of several values or than 20 data, no repeats, or codes that are
            not finite.
    """
    at_least(1, repeats=repeats)
    z, f, left_out = _checked(codes, factors)
    for name in scores or ():
        if name not in SCORES:
            raise unknown("score", name, list(SCORES))
    found: dict[str, list[float]] = {name: [] for name in scores or SCORES}
    rules = dict.fromkeys(SCORES[name][1] for name in found)
    with track(repeats * len(rules), "judging codes") as advance:
        for repeat in range(repeats):
            order = numpy_generator(seed, repeat).permutation(len(z))
            learn, judge = ((z[half], f[half]) for half in np.array_split(order, 2))
            for rule in rules:
                # draws of its own, so that no score depends on which others were asked for
                values = rule(learn, judge, numpy_generator(seed, repeat))
                for name in found.keys() & values.keys():
                    found[name].append(values[name])
                advance(1)
    attributes = {"data": len(z), "latents": z.shape[1], "factors": f.shape[1], "left_out": left_out, "seed": seed}
    return xr.Dataset({name: ("repeat", values) for name, values in found.items()}, attrs=attributes)


def _gap(known: np.ndarray) -> float:
    """Between the first and the second code of each factor, averaged over factors; less than chance counts as chance."""
    top = np.sort(known.clip(0), axis=0)
    return float((top[-1] - top[-2]).mean())


def _binned(code: np.ndarray, bins: int) -> np.ndarray:
    values, place = np.unique(code, return_inverse=True)
    if len(values) <= bins:
        return place
    edges = np.quantile(code, np.arange(1, bins) / bins)
    cut: np.ndarray = np.searchsorted(edges, code, side="right")
    return cut


def _adjusted(code: np.ndarray, factor: np.ndarray) -> float:
    from sklearn.metrics import mutual_info_score
    from sklearn.metrics.cluster import contingency_matrix, expected_mutual_information

    table = contingency_matrix(factor, code, sparse=True)
    chance = float(expected_mutual_information(table, len(code)))
    share = np.bincount(np.unique(factor, return_inverse=True)[1]) / len(factor)
    entropy = float(-(share * np.log(share)).sum())
    room = entropy - chance
    return (float(mutual_info_score(None, None, contingency=table)) - chance) / room if room > 1e-12 else 0.0


def _above_chance(right: float, chance: float) -> float:
    return (right - chance) / (1 - chance) if chance < 1 else 0.0


def _balanced(truth: np.ndarray, named: np.ndarray) -> float:
    """The mean over classes of the fraction that is recognized."""
    return float(np.mean([(named[truth == k] == k).mean() for k in np.unique(truth)]))


def _concentration(trust: np.ndarray) -> np.ndarray:
    """1 − H of each row, to the base of its length: 1 where all is in one place, 0 where all places are equal or empty."""
    total = trust.sum(1, keepdims=True)
    p = np.divide(trust, total, out=np.full_like(trust, 1 / trust.shape[1]), where=total > 0)
    logs = np.log(p, out=np.zeros_like(p), where=p > 0)
    found: np.ndarray = 1 + (p * logs).sum(1) / np.log(trust.shape[1])
    return found


def _sharing(factors: np.ndarray, factor: int, n: int, rng: np.random.Generator) -> np.ndarray:
    """Rows of ``n`` data, drawn with replacement, that share the value that a random datum has of a factor."""
    value = factors[rng.integers(len(factors)), factor]
    return rng.choice(np.flatnonzero(factors[:, factor] == value), n)


def _votes(
    half: Half, vote: Callable[[Half, int], np.ndarray], rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Votes on random factors, ``(VOTES, ...)``, and which they were."""
    chosen = rng.integers(half[1].shape[1], size=VOTES)
    return np.stack([vote(half, int(factor)) for factor in chosen]), chosen


def varying(factors: np.ndarray) -> np.ndarray:
    """Which factors ``(N, F)`` have several values, ``(F,)``."""
    found: np.ndarray = (factors != factors[:1]).any(0)
    return found


def _checked(codes: Tensor | np.ndarray, factors: Tensor | np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """Codes, the factors of several values, and how many have one."""
    z = (codes.detach().cpu().numpy() if isinstance(codes, Tensor) else np.asarray(codes)).astype(np.float64)
    f = factors.detach().cpu().numpy() if isinstance(factors, Tensor) else np.asarray(factors)
    if z.ndim != 2 or f.ndim != 2 or len(z) != len(f) or f.shape[1] < 2 or f.dtype.kind not in "iu":
        raise ValueError(
            f"codes are (N, n) and factors whole numbers (N, F) with F >= 2; got {z.shape} and {f.dtype} {f.shape}."
        )
    if z.shape[1] < 2 or len(z) < FEWEST or not np.isfinite(z).all():
        raise ValueError(
            f"needs at least {FEWEST} finite codes of at least 2 numbers; got {z.shape}, not finite: "
            f"{(~np.isfinite(z)).sum()}."
        )
    several = varying(f)
    if several.sum() < 2:
        raise ValueError(
            f"{several.sum()} of {f.shape[1]} factors have several values in these data, and which of two or more a code "
            "holds is what is asked; take data in which more of them vary."
        )
    return z, f[:, several], int((~several).sum())
