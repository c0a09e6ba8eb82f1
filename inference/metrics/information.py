"""Metrics of codes in generators: how much the data that are made tell of them."""

from __future__ import annotations

import math

import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from pyrogen.base import HasGenerator, Model
from pyrogen.data import Data
from pyrogen.inference.adversarial.information import HasCodes
from pyrogen.inference.latents.judging import judge_of
from pyrogen.inference.latents.measured import mean
from pyrogen.inference.metrics.with_error import WithError
from pyrogen.inference.programs.contexts import evaluating, seeded
from pyrogen.registry import choice


@choice("metric", "code-information")
def code_information(model: Model, data: Data, seed: int, n: int = 4000) -> WithError:
    """A lower bound on the information that data tell of the categorical code they were made from, I(c; x), in nats.

    H(c) + E log r(c|φ(x)) ≤ I(c; φ(x)) ≤ I(c; x). φ is what a judge sees that learned the labels of real data and has never
    met the model, so that no code hides where one does not look; r, a logistic regression of c on it, learns from ``n``
    generated data and is asked about ``n`` others. At most it is the entropy of the code, ln 10 of ten categories.
    Reference: Barber & Agakov 2003, The IM algorithm, for the bound; Chen et al. 2016, arXiv:1606.03657.
    """
    if not (isinstance(model, HasCodes) and isinstance(model, HasGenerator)):
        raise ValueError(f"code-information is about codes that data are made from; {type(model).__name__} has none.")
    judge = judge_of(data)
    with evaluating(model), seeded(seed, model.device):
        z = model.latent_prior().sample((2 * n,))
        x = model.generate(z)
    return held_out_information(judge.features(x.cpu()), model.codes(z)[:, : model.categories].argmax(1).cpu())


def held_out_information(seen: Tensor, category: Tensor) -> WithError:
    """H(c) + mean log r(c|φ) in nats, of equally probable categories ``(2n,)`` and features ``(2n, F)``.

    r, a logistic regression, learns from the first half and is asked about the second, of which the error is.
    """
    half = len(seen) // 2
    features, names = seen.double().numpy(), category.numpy()
    reader = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500))
    reader.fit(features[:half], names[:half])
    told = torch.from_numpy(reader.predict_log_proba(features[half:]))
    kinds = int(category.max()) + 1
    place = torch.full((kinds,), -1)
    place[torch.from_numpy(reader.classes_)] = torch.arange(len(reader.classes_))
    right = mean(told.gather(1, place[category[half:]].unsqueeze(1)).squeeze(1))
    return WithError(math.log(kinds) + right.value, right.error)
