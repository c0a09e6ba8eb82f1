"""Models of data given y: what y may be, where it enters, and labels that are known of some data only."""

import math

import numpy as np
import pytest
import torch
from torch import nn

import pyrogen
from pyrogen import registry
from pyrogen.axes import Blueprint
from pyrogen.base import Batch
from pyrogen.conditions import UNKNOWN, Condition, Reader
from pyrogen.data import from_arrays
from pyrogen.inference import (
    AIS,
    IWAE,
    Classification,
    EnumeratedELBO,
    fit,
    log_evidence,
)
from pyrogen.inference.explorer.view import View
from pyrogen.inference.latents.bayes_rule import classes_of
from pyrogen.inference.latents.midpoints import disjoint_pairs
from pyrogen.inference.latents.walks import choose
from pyrogen.inference.objectives.classification import cross_entropy
from pyrogen.inference.pages.panel import told_of
from pyrogen.inference.pages.run_report import write_run_report
from pyrogen.likelihoods import Normal
from pyrogen.posteriors import PointMass
from pyrogen.priors.code_levels import PixelCNNLevels

pytestmark = pytest.mark.usefixtures("empty_store")


# ------------------------------------------------------------------------------------------------------ what y is


def test_classes_are_read_as_one_hot_vectors_and_numbers_as_they_are():
    y = torch.tensor([[2, 0], [UNKNOWN, 1]])
    read = Condition((), 3, optional=True).read(y)
    assert read.tolist() == [[[0, 0, 1], [1, 0, 0]], [[0, 0, 0], [0, 1, 0]]]
    assert Condition((2,), 3).read(torch.tensor([[2, 0]])).tolist() == [[0, 0, 1, 1, 0, 0]]
    assert (Condition((2,), 3).size, Condition((2, 2)).size) == (6, 4)
    numbers = torch.randn(5, 7, 2, 2)
    assert torch.equal(Condition((2, 2)).read(numbers), numbers.reshape(5, 7, 4))


WRONG = {
    "none": (Condition((), 3), None, r"conditional, and got no y: pass one of 3 classes"),
    "a number": (Condition((), 3), 2, r"takes one of 3 classes, y as a tensor of shape \(4,\); got int"),
    "numpy": (Condition((), 3), np.arange(4) % 3, r"y as a tensor of shape \(4,\); got ndarray"),
    "too few": (Condition((), 3), torch.zeros(3, dtype=torch.long), r"y of shape \(4,\); got \(3,\)"),
    "another shape": (Condition((2,)), torch.zeros(4), r"takes 2 real numbers, y of shape \(4, 2\); got \(4,\)"),
    "too large": (Condition((), 3), torch.tensor([0, 1, 2, 3]), r"numbered 0 to 2; y holds int64 from 0 to 3"),
    "unknown": (
        Condition((), 3),
        torch.tensor([0, 1, 2, -1]),
        r"told one of 3 classes, and 1 of 4 labels are -1, unknown;",
    ),
    "below": (Condition((), 3), torch.tensor([0, 1, 2, -2]), r"numbered 0 to 2; y holds int64 from -2 to 2"),
    "floats for classes": (Condition((), 3), torch.zeros(4), r"numbered 0 to 2; y holds float32"),
    "classes for floats": (Condition((1,)), torch.zeros(4, 1, dtype=torch.long), r"1 real numbers; y holds int64"),
    "nan": (Condition((1,)), torch.full((4, 1), math.nan), r"y holds float32 from nan"),
    "below unknown": (Condition((), 3, optional=True), torch.tensor([0, 1, 2, -2]), r"or -1 where it is unknown"),
}


@pytest.mark.parametrize(("condition", "y", "message"), WRONG.values(), ids=WRONG)
def test_a_wrong_y_is_refused(condition, y, message):
    with pytest.raises(ValueError, match=message):
        condition.check(y, 4)


@pytest.mark.parametrize(
    ("choices", "message"),
    [({}, "needs classes"), ({"classes": 1}, "fewer than 2"), ({"shape": (0,)}, "must be positive")],
)
def test_an_empty_condition_is_refused(choices, message):
    with pytest.raises(ValueError, match=message):
        Condition(**choices)


# ------------------------------------------------------------------------------------------------- p(x|z, y), p(z|y)


def conditional(**choices):
    torch.manual_seed(0)
    return pyrogen.create(
        "vae-conditional", **{"x_shape": (4,), "classes": 3, "latent_size": 2, "hidden": (8,), **choices}
    )


def test_y_enters_everywhere(draws):
    m = conditional(prior="ConditionalNormal")
    nn.init.normal_(m.prior.net[1].weight)
    x, z = draws("binary", 3, 4)[:1].repeat(3, 1), torch.zeros(3, 2)
    y = torch.arange(3)
    for told in (m.encode(x, y).mean, m.decode(z, y).mean, m.prior(y).mean):
        assert (told[0] - told[1]).abs().max() > 0.01
        assert (told[1] - told[2]).abs().max() > 0.01
    assert torch.allclose(m.decode(torch.zeros(5, 3, 2), y).mean, m.decode(z, y).mean.expand(5, -1, -1))


def test_a_prior_of_classes_is_one_normal_a_class():
    m = conditional(prior="ConditionalNormal", classes=2)
    start = m.prior(torch.arange(2))
    assert torch.equal(start.mean, torch.zeros(2, 2))
    assert torch.equal(start.variance, torch.ones(2, 2))
    with torch.no_grad():
        m.prior.net[1].weight.copy_(torch.tensor([[1.0, 2], [3, 4], [0, math.log(2)], [0, 0]]))
    p = m.prior(torch.tensor([1, 0]))
    z = torch.randn(7, 2, 2)
    expected = torch.distributions.Normal(torch.tensor([[2.0, 4], [1, 3]]), torch.tensor([[2.0, 1], [1, 1]]))
    assert torch.allclose(p.log_prob(z), expected.log_prob(z).sum(-1))


@pytest.mark.parametrize("asks", ["classes", "numbers"])
def test_weights_are_those_of_the_densities_given_y(asks, draws):
    choices = {"classes": 3} if asks == "classes" else {"classes": None, "y_shape": (2,)}
    m = conditional(prior="ConditionalNormal", **choices)
    for p in m.prior.parameters():
        nn.init.normal_(p, std=0.3)  # or the weights have tails, and their mean no error bar
    x, y = draws("binary", 3, 4), torch.arange(3) if asks == "classes" else torch.randn(3, 2)
    with torch.no_grad():
        q = m.encode(x, y)
        torch.manual_seed(1)
        z = q.sample((40_000,))
        by_hand = m.prior(y).log_prob(z) + m.decode(z, y).log_prob(x) - q.log_prob(z)
    found = log_evidence(m, x, IWAE(40_000), y=y)
    difference = torch.as_tensor(found["log_evidence"].values) - (by_hand.logsumexp(0) - math.log(40_000))
    assert (difference.abs() < 5 * torch.as_tensor(found["mc_se"].values) * 2**0.5 + 1e-6).all()


def test_annealing_knows_the_condition(draws):
    m = conditional(prior="ConditionalNormal")
    for p in m.prior.parameters():
        nn.init.normal_(p, std=0.5)
    x, y = draws("binary", 4, 4), torch.tensor([0, 1, 2, 0])
    many, annealed = log_evidence(m, x, IWAE(5000), y=y), log_evidence(m, x, AIS(100, 16), y=y)
    error = np.hypot(many["mc_se"], annealed["mc_se"])
    assert (abs(many["log_evidence"] - annealed["log_evidence"]) < 5 * error + 0.01).all()


def test_a_split_brings_its_y():
    data = pyrogen.data.load("digits")
    m = conditional(x_shape=data.x_shape, classes=data.classes)
    part = data.test.take(20)
    score = log_evidence(m, part, IWAE(50))
    assert (score["log_evidence"] == log_evidence(m, part.x, IWAE(50), y=part.y)["log_evidence"]).all()
    shifted = log_evidence(m, part.x, IWAE(50), y=(part.y + 1) % 10)["log_evidence"]
    assert (abs(score["log_evidence"] - shifted) > 1e-6).all()
    plain = pyrogen.create("vae", x_shape=data.x_shape, latent_size=2, hidden=(8,))
    ignored = log_evidence(plain, part, IWAE(50))["log_evidence"]
    assert (ignored == log_evidence(plain, part.x, IWAE(50))["log_evidence"]).all()


REFUSED = {
    "samples without y": (lambda m, x: m.sample(3), "got no y"),
    "samples of too many y": (lambda m, x: m.sample(3, torch.zeros(4, dtype=torch.long)), r"shape \(3,\); got \(4,\)"),
    "scores without y": (lambda m, x: log_evidence(m, x), "got no y"),
    "codes without y": (lambda m, x: m.encode(x), "got no y"),
    "data without y": (lambda m, x: fit(m, pyrogen.data.load("ring"), epochs=1), "x_shape"),
}


@pytest.mark.parametrize(("use", "message"), REFUSED.values(), ids=REFUSED)
def test_a_missing_condition_is_refused(use, message, draws):
    with pytest.raises(ValueError, match=message):
        use(conditional(), draws("binary", 4, 4))


BUILDS = {
    "made of posteriors": (
        lambda: conditional(prior="VampPrior"),
        "VampPrior is made of posteriors.*ConditionalNormal",
    ),
    "nothing to look at": (
        lambda: pyrogen.create("vae", x_shape=(4,), prior="ConditionalNormal"),
        "looks at a condition y, and this model has none; use create",
    ),
    "no labels": (lambda: conditional(classes=None), "these data may have no labels"),
}


@pytest.mark.parametrize(("build", "message"), BUILDS.values(), ids=BUILDS)
def test_combinations_that_cannot_work_are_refused_when_built(build, message):
    with pytest.raises(ValueError, match=message):
        build()


# -------------------------------------------------------------------------------------------------- hidden labels


def test_labels_are_hidden_evenly_and_in_training_only():
    whole, some = pyrogen.data.load("digits"), pyrogen.data.load("digits", labels=43)
    known = some.train.y >= 0
    assert int(known.sum()) == 43
    assert set(some.train.y[known].bincount(minlength=10).tolist()) == {4, 5}
    assert torch.equal(some.train.y[known], whole.train.y[known])
    assert (some.train.y[~known] == UNKNOWN).all()
    assert torch.equal(some.test.y, whole.test.y)
    assert torch.equal(some.train.x, whole.train.x)
    assert (some.classes, some.describe()["labels"]) == (10, 43)
    assert "43 labelled" in repr(some)
    more = pyrogen.data.load("digits", labels=44).train.y
    assert int(((more >= 0) & known).sum()) == 43


@pytest.mark.parametrize("labels", [-1, 1258])
def test_labels_that_are_not_there_cannot_be_kept(labels):
    with pytest.raises(ValueError, match=r"1257 training data, so keep 0 to 1257"):
        pyrogen.data.load("digits", labels=labels)


def test_data_without_labels_have_none_to_hide(tmp_path):
    np.savez(tmp_path / "a.npz", x_train=np.random.default_rng(0).normal(size=(20, 2)))
    with pytest.raises(ValueError, match="has no labels"):
        pyrogen.data.load(tmp_path / "a.npz", labels=3)


@pytest.fixture(scope="module")
def partly():
    """Pictures in three classes, of which a third of the labels are unknown, in all splits."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 240)
    x = (rng.random((240, 1, 6, 6)) * (60 + 90 * y[:, None, None, None])).astype(np.uint8)
    return from_arrays(x, np.where(rng.random(240) < 1 / 3, -1, y), kind="binary")


def test_labels_of_ones_own_may_be_unknown(partly, tmp_path):
    """Those that are unknown are no class to any judge, and what is decoded is given a class that is inferred."""
    model = pyrogen.create("vae-semi-supervised", x_shape=(1, 6, 6), classes=3, latent_size=2, hidden=(8,))
    run = pyrogen.fit(model, partly, epochs=4, folder=tmp_path)
    assert all((split.y == UNKNOWN).any() for split in (partly.train, partly.valid, partly.test))
    y = partly.test.y
    named = model.classify(partly.test.x).probs.argmax(-1)
    right = (named == y)[y >= 0].double().mean().item()
    assert registry.find("metric", "accuracy").load()(model, partly, 0) == pytest.approx(right)
    told = told_of(model, partly.test)
    assert torch.equal(told, torch.where(y >= 0, y, named))
    page = run.report().read_text()
    assert f"right on {int((y >= 0).sum())} test data: {right:.1%}" in page
    assert "The plane of latents, decoded" in page
    assert View(model, partly, limit=12).state()


def test_unknown_labels_are_neighbours_of_no_class(partly):
    model = pyrogen.create("autoencoder", x_shape=(1, 6, 6), latent_size=2, hidden=(8,)).eval()
    train, test = partly.train.known(), partly.test.known()
    nearest = torch.cdist(model.code(test.x).double(), model.code(train.x).double()).argmin(1)
    share = (train.y[nearest] == test.y).double().mean().item()
    assert registry.find("metric", "neighbour-accuracy").load()(model, partly, 0) == pytest.approx(share)
    first, second = disjoint_pairs(partly.train, 99)
    pairs = torch.stack([partly.train.y[first], partly.train.y[second]])
    assert pairs.min() >= 0
    with pytest.raises(ValueError, match=r"no datum of class -1; its classes are \[0, 1, 2\]"):
        choose(partly.train, [-1, 0])


def test_a_model_that_has_to_be_told_refuses_unknown_labels(partly):
    model = pyrogen.create("vae-conditional", x_shape=(1, 6, 6), classes=3, latent_size=2, hidden=(8,))
    with pytest.raises(
        ValueError, match=r"has to be told one of 3 classes, and \d+ of 192 labels are -1, unknown; leave"
    ):
        pyrogen.fit(model, partly, epochs=1)


# ------------------------------------------------------------------------------------------------ semi-supervision

SIGMA, CLASSES = 0.7, 3


@pytest.fixture
def exact():
    """A mixture of linear-Gaussian models, x = W z + V_c + σ ε: log p(x, c) in closed form, ``(N, classes)``."""
    torch.manual_seed(0)
    m = pyrogen.create(
        "vae-semi-supervised",
        x_shape=(4,),
        classes=CLASSES,
        latent_size=2,
        hidden=(),
        likelihood=Normal("fixed", SIGMA),
    ).double()
    layer = m.vae.decoder.net.net[1]
    nn.init.normal_(layer.weight)
    loadings, centres = layer.weight[:, :2], layer.weight[:, 2:].T + layer.bias

    def log_joint(x):
        covariance = loadings @ loadings.T + SIGMA**2 * torch.eye(4)
        parts = torch.distributions.MultivariateNormal(centres, covariance.double())
        return parts.log_prob(x.unsqueeze(1)).detach() - math.log(CLASSES)

    return m, log_joint


def test_evidence_without_and_with_labels_is_exact(exact):
    m, log_joint = exact
    torch.manual_seed(1)
    x, y = m.sample(6).double(), torch.tensor([0, 1, 2, UNKNOWN, 2, UNKNOWN])
    joint = log_joint(x)
    marginal = joint.logsumexp(1)
    for given, truth in (
        (None, marginal),
        (y, joint.gather(1, y.clamp(min=0).unsqueeze(1)).squeeze(1).where(y >= 0, marginal)),
    ):
        score = log_evidence(m, x, IWAE(20_000), y=given)
        z = (score["log_evidence"].values - truth.numpy()) / score["mc_se"].values
        assert (abs(z) < 5).all()


def test_the_bound_of_a_known_label_is_the_conditional_models(exact):
    m, _ = exact
    x, y = torch.randn(5, 4).double(), torch.tensor([0, 1, 2, 1, 0])
    means = []
    for pair, constant in ((m, math.log(CLASSES)), (m.vae, 0.0)):
        objective = EnumeratedELBO(500) if pair is m else pyrogen.inference.ELBO(500)
        torch.manual_seed(0)
        with torch.no_grad():
            terms = [objective.terms(pair, Batch(x, y))["loss"] - constant for _ in range(20)]
        means.append((torch.stack(terms).mean(), torch.stack(terms).std() / 20**0.5))
    (a, a_error), (b, b_error) = means
    assert abs(a - b) < 5 * (a_error**2 + b_error**2) ** 0.5 + 1e-9


def test_the_bound_of_an_unknown_label_is_a_mixture_of_bounds(exact):
    m, _ = exact
    x, unknown = torch.randn(1, 4).double(), torch.tensor([UNKNOWN])
    with torch.no_grad():
        q = m.classify(x).probs[0]
        torch.manual_seed(0)
        ours = torch.stack([EnumeratedELBO(200).terms(m, Batch(x, unknown))["loss"] for _ in range(50)])
        parts = []
        for c in range(CLASSES):
            found = [EnumeratedELBO(200).terms(m, Batch(x, torch.tensor([c])))["loss"] for _ in range(50)]
            parts.append(torch.stack(found))
    theirs = sum(q[c] * (parts[c].mean() + q[c].log()) for c in range(CLASSES))
    error = (ours.var() / 50 + sum(q[c] ** 2 * parts[c].var() / 50 for c in range(CLASSES))) ** 0.5
    assert abs(ours.mean() - theirs) < 5 * error


def test_only_known_labels_reach_the_classifier(exact):
    m, _ = exact
    x, y = torch.randn(4, 4).double(), torch.tensor([2, UNKNOWN, 0, UNKNOWN])
    entropy = cross_entropy(m, Batch(x, y))
    log_q = m.classify(x[::2]).logits.log_softmax(-1)
    assert entropy.item() == pytest.approx(-(log_q[0, 2] + log_q[1, 0]).item() / 2)
    weight = m.classifier.net[1].weight
    (found,) = torch.autograd.grad(entropy, weight)
    residual = (log_q.exp() - torch.eye(3)[[2, 0]].double()) / 2
    assert torch.allclose(found, residual.T @ x[::2])
    assert cross_entropy(m, Batch(x, torch.full((4,), UNKNOWN))) == 0
    bound = EnumeratedELBO().terms(m, Batch(x, torch.tensor([2, 1, 0, 1])))["loss"]
    assert torch.autograd.grad(bound, weight)[0].abs().max() == 0  # a known label never asks the classifier


def test_objectives_of_classes_refuse_what_names_none(pair):
    with pytest.raises(ValueError, match="VAE names no classes, which Classification needs"):
        (EnumeratedELBO() + 10 * Classification()).players(pair(prior="Bernoulli", posterior="Bernoulli"))
    with pytest.raises(ValueError, match="have none"):
        cross_entropy(pyrogen.create("vae-semi-supervised", x_shape=(4,), classes=2), Batch(torch.zeros(1, 4)))
    with pytest.raises(ValueError, match="the weight -1 of an objective must be finite and not below 0"):
        EnumeratedELBO() + -1.0 * Classification()


@pytest.mark.parametrize(
    ("choice", "message"), [({"posterior": "PointMass"}, "PointMass"), ({"prior": "VampPrior"}, "VampPrior")]
)
def test_semi_supervision_refuses_priors_and_posteriors_without_weights(choice, message):
    with pytest.raises(ValueError, match=message):
        pyrogen.create("vae-semi-supervised", x_shape=(4,), classes=2, latent_size=2, hidden=(4,), **choice)


def test_data_of_unknown_class_are_drawn_of_any_class_and_none_is_decoded(exact):
    m, _ = exact
    with torch.no_grad():
        m.vae.decoder.net.net[1].weight[:, 2:] *= 100  # classes far apart
    y = torch.tensor([0, 1, 2, UNKNOWN] * 50)
    for drawn in (m.sample(200, y), m.sample_mean(200, y)):
        nearest = torch.cdist(drawn, m.decode(torch.zeros(3, 2).double(), torch.arange(3)).mean.detach()).argmin(1)
        assert torch.equal(nearest[y >= 0], y[y >= 0])
        assert nearest[y < 0].unique().tolist() == [0, 1, 2]
    for wrong in (y[3:4], torch.tensor([3])):
        with pytest.raises(ValueError, match=r"(?s)one of 3 classes"):
            m.decode(torch.zeros(1, 2).double(), wrong)


def test_codes_are_those_that_are_decoded(draws):
    told = {"x_shape": (4,), "classes": 2, "latent_size": 3, "hidden": (4,)}
    m = pyrogen.create("vae-semi-supervised", posterior="VonMisesFisher", prior="HypersphericalUniform", **told)
    x, y = draws("binary", 6, 4), torch.tensor([0, 1, UNKNOWN, 1, 0, UNKNOWN])
    codes = m.code(x, y)
    torch.testing.assert_close(codes.norm(dim=1), torch.ones(6))
    named = torch.where(y < 0, m.classify(x).probs.argmax(1), y)
    torch.testing.assert_close(m.decode(codes, named).mean, m.reconstruct(x, y))
    torch.testing.assert_close(m.features(x), m.code(x))


# ---------------------------------------------------------------------------------------------------------- metrics


def metric(name, *args, **settings):
    return registry.find("metric", name).load()(*args, **settings)


def test_a_judge_that_errs_on_real_data_is_not_asked():
    data = pyrogen.data.load("digits")
    with pytest.raises(ValueError, match=r"right on 8\d% of the real test data.*kind='unit'"):
        metric("conditional-accuracy", conditional(x_shape=data.x_shape, classes=10), data, 0)


class Copies(nn.Module):
    """Test data of the class that is asked for, or of the next."""

    device, training = torch.device("cpu"), False

    def __init__(self, data, shift):
        super().__init__()
        self.data, self.shift = data, shift

    def condition_for(self, y, x=None):
        return y

    def sample(self, n, y):
        rows = [(self.data.test.y == (k + self.shift) % 10).nonzero()[i % 20, 0] for i, k in enumerate(y.tolist())]
        return self.data.test.x[torch.stack(rows)]


def test_the_judge_knows_real_digits():
    data = pyrogen.data.load("digits", kind="unit", dequantization=False)
    assert metric("conditional-accuracy", Copies(data, 0), data, 0, n=200) > 0.95
    assert metric("conditional-accuracy", Copies(data, 1), data, 0, n=200) < 0.05


def test_where_labels_were_shuffled_a_judge_learns_from_others():
    shuffled = pyrogen.data.load("shuffled-labels(of='digits')", kind="unit", dequantization=False)
    with pytest.raises(ValueError, match=r"right on \d+% of the real test data of 'shuffled-labels'"):
        metric("conditional-accuracy", Copies(shuffled, 0), shuffled, 0, n=200)
    assert metric("conditional-accuracy", Copies(shuffled, 0), shuffled, 0, n=200, taught_on="digits") > 0.95


# -------------------------------------------------------------------------------------------------- from end to end


@pytest.mark.rotating
def test_a_conditional_run_is_reported_and_sampled_by_class(tmp_path, capsys):
    from pyrogen.command.cli import main

    run = str(tmp_path / "run")
    common = ["--epochs", "1", "--latent_size", "2", "--hidden", "[8]", "--data", "digits", "--device", "cpu"]
    assert main(["train", "vae-conditional", *common, "--folder", run]) == 0
    assert (tmp_path / "run" / "figures" / "classes.svg").is_file()
    assert main(["evaluate", run, "--estimator", "IWAE", "--estimator.k", "50", "--limit", "20"]) == 0
    assert main(["sample", run, "--n", "4", "--y", "3"]) == 0
    assert main(["sample", run, "--n", "4"]) == 0
    assert main(["sample", run, "--n", "4", "--y", "10"]) == 2
    assert "numbered 0 to 9; y holds int64 from 10 to 10" in capsys.readouterr().err


def test_a_semi_supervised_run_remembers_which_labels_it_saw(tmp_path):
    from pyrogen.command.cli import main

    run = str(tmp_path / "run")
    common = ["--epochs", "1", "--latent_size", "2", "--hidden", "[8]", "--data", "digits", "--device", "cpu"]
    assert main(["train", "vae-semi-supervised", *common, "--labels", "50", "--folder", run]) == 0
    assert main(["evaluate", run, "--estimator", "IWAE", "--estimator.k", "50", "--limit", "20"]) == 0
    from pyrogen.inference.runs.recipe import data_of

    assert data_of(run).labels == 50
    assert write_run_report(run).is_file()


# ------------------------------------------------------------------------------- numbers far from order one

FAR = np.random.default_rng(0).normal(3000, 1000, (400, 2))


def target(y):
    return y * np.array([0.5, 2.0]) + np.random.default_rng(1).normal(0, 50, y.shape)


@pytest.mark.parametrize("entry", ["vae-conditional", "regression"])
@pytest.mark.parametrize("prior", [None, "ConditionalNormal"])
def test_conditions_far_from_order_one_train_with_the_defaults(entry, prior, tmp_path):
    if prior and entry == "regression":
        pytest.skip("a regression has no prior")
    data = from_arrays(target(FAR), FAR)
    axes = {"likelihood": "Normal", **({"prior": prior} if prior else {})}
    torch.manual_seed(0)
    m = pyrogen.create(entry, x_shape=data.x_shape, y_shape=data.y_shape, hidden=(32,), **axes)
    run = fit(m, data, epochs=30, lr=3e-3, device="cpu", folder=tmp_path, progress=False)
    assert run.records[0]["valid/loss"] < 6
    assert run.records[-1]["train/loss"] < 0.7  # 2.8 of whoever does not look at y
    again = pyrogen.load(tmp_path)
    y = data.test.y[:4]
    with torch.random.fork_rng():
        torch.manual_seed(3)
        first = m.sample(4, y)
        torch.manual_seed(3)
        assert torch.equal(again.sample(4, y), first)


def test_numbers_of_order_one_are_read_as_they_are():
    reader = Reader(Condition((2,)))
    x, y = torch.zeros(50, 1), torch.randn(50, 2)
    reader.before_training(x, y)
    assert torch.equal(reader(y), y)
    far = Reader(Condition((2,)))
    far.before_training(x, 100 * y)
    assert float(far(100 * y).std(0, correction=0).sub(1).abs().max()) < 1e-4
    same = Reader(Condition((2,)))
    same.before_training(x, torch.full((5, 2), 300.0))
    assert torch.equal(same(torch.full((5, 2), 300.0)), torch.zeros(5, 2))
    again = Reader(Condition((2,)))
    again.load_state_dict(far.state_dict())
    for each, read in ((reader, y), (far, far(y)), (again, far(y))):  # what was trained on it reads on as it did
        each.before_training(x, 1000 + 50 * y)
        assert torch.equal(each(y), read)
    assert not Reader(Condition((), 3)).needs_training_data
    assert Reader(Condition((), 3)).state_dict() == {}


@pytest.mark.parametrize(
    "objective", ["Adversarial()", "Adversarial(mismatched=True)", "AVB()", "MMD()", "MMD(sites=('x',))"]
)
def test_whatever_compares_sites_reads_y_as_the_model_does(objective):
    y = torch.randn(6, 2, generator=torch.Generator().manual_seed(0))
    x = torch.randn(6, 3, generator=torch.Generator().manual_seed(1))
    found = []
    for scale, told in ((False, y), (True, 1000 + 64 * y)):  # times a power of 2, which rounds nothing
        torch.manual_seed(2)
        m = pyrogen.create(
            "vae-conditional", x_shape=(3,), y_shape=(2,), hidden=(4,), latent_size=2, likelihood="Normal"
        )
        if scale:
            m.reader.mean.fill_(1000.0)
            m.reader.sd.fill_(64.0)
        players = registry.make("objective", objective).players(m)
        torch.manual_seed(3)
        found.append([player.loss(Batch(x, told))["loss"] for player in players])
    torch.testing.assert_close(found[0], found[1], rtol=1e-4, atol=1e-4)


def test_what_is_one_label_a_datum_is_said_in_one_place():
    assert Condition((), 10).one_of == Condition((), 10, optional=True).one_of == 10
    assert (Condition((2,)).one_of, Condition((3,), 10).one_of) == (None, None)
    told = {"x_shape": (1, 4, 4), "latent_size": 2, "hidden": (8,)}
    assert classes_of(pyrogen.create("vae-conditional", classes=3, **told)) == 3
    assert classes_of(pyrogen.create("vae-semi-supervised", classes=3, **told)) is None  # it may be told nothing
    assert classes_of(pyrogen.create("vae-conditional", y_shape=(2,), **told)) is None
    assert classes_of(pyrogen.create("vae", **told)) is None


@pytest.mark.parametrize("name", ["PixelCNNPrior", "MaskedPrior", "ConditionalNormal"])
def test_priors_that_read_y_say_so(name):
    bits = {} if name == "ConditionalNormal" else {"posterior": "Bernoulli"}
    m = pyrogen.create("vae-conditional", x_shape=(4,), classes=3, latent_size=2, hidden=(3,), prior=name, **bits)
    for ask in (m.latent_prior, m.prior, lambda: m.model(torch.ones(2, 4))):
        with pytest.raises(ValueError, match="the model is conditional, and got no y: pass one of 3 classes"):
            ask()


def test_a_prior_of_two_grids_of_codes_says_so():
    condition = Condition((), 3)
    prior, axes = PixelCNNLevels(2, (1, 1), 4, 1, 3), (PointMass(), Normal())
    prior.build(Blueprint(torch.Size([4]), 10, prior, *axes, lambda x: x, condition, Reader(condition).forward))
    assert prior(torch.tensor([0, 2])).sample().shape == (2, 10)
    with pytest.raises(ValueError, match="got no y: pass one of 3 classes"):
        prior()
