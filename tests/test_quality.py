"""Measures of samples: their closed forms, their errors, and which way each of them goes."""

import itertools
import math

import numpy as np
import pytest
import torch

import pyrogen
from pyrogen import registry
from pyrogen.data import from_arrays, load
from pyrogen.inference import assess
from pyrogen.inference.adversarial import collapse
from pyrogen.inference.quality.assess import compare, with_errors
from pyrogen.inference.quality.copies import Memorization
from pyrogen.inference.quality.distributions import Frechet, Kernel
from pyrogen.inference.quality.measure import Measure, distances, parts, standard_error
from pyrogen.inference.quality.modes import placed
from pyrogen.inference.quality.neighbours import Coverage, Density, ModeAveraging, ModeDropping, Precision, Recall
from pyrogen.inference.quality.neighbours import coverage as coverage_of
from pyrogen.inference.quality.pictures import Checkerboard, Edges, Sharpness

MEASURES = {r.name: r.load()() for r in registry.registrations("measure")}
OF_FEATURES = [name for name, m in MEASURES.items() if m.reads == "features"]


def rows(n, mean, covariance, seed=0):
    """Rows with exactly this mean and covariance."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, len(mean), generator=generator, dtype=torch.float64)
    x = x - x.mean(0)
    white = torch.linalg.solve_triangular(torch.linalg.cholesky(x.T @ x / (n - 1)), x.T, upper=False).T
    return white @ torch.linalg.cholesky(covariance).T + mean


def spd(d, seed):
    a = torch.randn(d, d + 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return a @ a.T / d


def test_frechet_of_two_normal_distributions():
    m1, m2, s1, s2 = torch.zeros(4).double(), torch.arange(4).double(), spd(4, 1), spd(4, 2)
    eigenvalues = torch.linalg.eigvals(s1 @ s2).real
    exact = 14 + float(s1.trace() + s2.trace() - 2 * eigenvalues.sqrt().sum())
    assert float(Frechet().value(rows(50, m1, s1), rows(70, m2, s2, 3))) == pytest.approx(exact, rel=1e-10)
    assert float(Frechet().value(rows(50, m1, s1), rows(70, m1, s1, 3))) == pytest.approx(0, abs=1e-10)


def test_frechet_of_fewer_rows_than_features():
    """Covariances without full rank: N(0, a aᵀ) and N(0, b bᵀ) are |a|² + |b|² − 2 |aᵀb| apart."""
    a, b = torch.tensor([3.0, 0, 4, 0, 0]), torch.tensor([1.0, 1, 0, 0, 1])
    pair = torch.tensor([[1.0], [-1.0]]) / 2**0.5
    assert float(Frechet().value(pair * a, pair * b)) == pytest.approx(25 + 3 - 2 * 3, rel=1e-6)


def test_the_bias_of_frechet_falls_as_one_over_the_rows():
    torch.manual_seed(0)
    found = {n: np.mean([float(Frechet().value(*torch.randn(2, n, 3))) for _ in range(200)]) for n in (50, 200)}
    assert found[50] / found[200] == pytest.approx(4, rel=0.15)


def test_a_model_that_answers_with_the_truth_is_as_far_from_data_as_other_data_are():
    """It is told the y of other data: with those of the data that it is compared with it would be nearer than any can be."""
    x = torch.rand(200, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    data = from_arrays(x, x)
    model = pyrogen.create("pix2pix", x_shape=(1, 8, 8), y_shape=(1, 8, 8), generator={"name": "UNet", "width": 4})
    model.sample = model.sample_mean = lambda n, y: y
    found = assess(model, data, ["frechet", "kernel", "coverage"], split="train")
    for name in found.names:
        assert found.excess(name).value == pytest.approx(0, abs=1e-9)
        assert found.floor(name).value != 0


def test_the_first_of_what_is_compared_are_the_same_for_every_number():
    data = load("digits", kind="unit")
    few, many = (compare(data.train.x, data, n, 0) for n in (8, 40))
    for part in ("made", "real", "other"):
        assert torch.equal(getattr(few, part), getattr(many, part)[:8])


def test_kernel_by_loops():
    torch.manual_seed(0)
    a, b = torch.randn(5, 3).double(), torch.randn(7, 3).double()
    k = lambda x, y: float((x @ y / 3 + 1) ** 3)  # noqa: E731
    within = [np.mean([k(x, y) for x, y in itertools.permutations(z, 2)]) for z in (a, b)]
    between = np.mean([k(x, y) for x, y in itertools.product(a, b)])
    assert float(Kernel().value(a, b)) == pytest.approx(sum(within) - 2 * between, rel=1e-12)


@pytest.mark.parametrize("n", [10, 40])
def test_kernel_is_without_bias(n):
    """Of numbers (ab + 1)³ has the mean difference Σⱼ binom(3, j) (E aʲ − E bʲ)²; here a ~ N(1, 1) and b ~ N(0, 1)."""
    torch.manual_seed(n)
    exact = 3 * (1 - 0) ** 2 + 3 * (2 - 1) ** 2 + (4 - 0) ** 2
    found = [float(Kernel().value(torch.randn(n, 1) + 1, torch.randn(n, 1))) for _ in range(600)]
    assert abs(np.mean(found) - exact) < 4 * np.std(found) / 600**0.5
    null = [float(Kernel().value(torch.randn(n, 1), torch.randn(n, 1))) for _ in range(300)]
    assert abs(np.mean(null)) < 4 * np.std(null) / 300**0.5


REAL, MADE = torch.tensor([[0.0], [1], [2], [10]]), torch.tensor([[0.5], [5], [100]])


@pytest.mark.parametrize(
    ("measure", "value"),
    [
        (Precision(k=1), 2 / 3),  # 0.5 within 1 of 0; 5 within 8 of 10; 100 nowhere
        (Recall(k=1), 1.0),  # 5 reaches 4.5, and 100 reaches 95
        (Density(k=1), (2 + 1 + 0) / 3),
        (Density(k=2), (3 + 1 + 0) / 6),  # 2 is 1.5 from 0.5, within its 2; 10 has 9
        (Coverage(k=1), 3 / 4),
        (ModeDropping(k=1), 1 / 4),
        (ModeAveraging(), (0.5 + 3 + 90) / 3 / ((1 + 1 + 1 + 8) / 4)),
    ],
    ids=lambda v: registry.spelled(v) if isinstance(v, Measure) else None,
)
def test_neighbours_of_the_hand(measure, value):
    assert float(measure.value(MADE, REAL)) == pytest.approx(value, rel=1e-12)


def repeated(n, seed, kinds=3):
    """Rows of few kinds, far from 0, so that a product of matrices puts twins apart."""
    generator = torch.Generator().manual_seed(seed)
    rows = 100 + torch.randn(5, 8, generator=torch.Generator().manual_seed(0))
    return rows[torch.randint(kinds, (n,), generator=generator)]


def test_rows_that_are_the_same_are_at_distance_zero():
    real = repeated(200, 0)
    found = distances(real, real)
    same = (real[:, None] == real[None]).all(2)
    assert torch.equal(found == 0, same)
    torch.testing.assert_close(found, (real[:, None] - real[None]).double().norm(dim=2), rtol=1e-6, atol=1e-6)


def test_repeated_data_are_covered_by_their_twins_alone():
    """Each datum has more twins than neighbours are asked for, so that its reach is 0."""
    real, made, beside = repeated(200, 0), repeated(200, 1), repeated(200, 2) + 0.5
    shares = torch.stack([(real == row).all(1) for row in made]).double().sum(1)
    for measure, of_twins, of_others in [
        (Precision(), 1.0, 0.0),
        (Recall(), 1.0, 0.0),
        (Coverage(), 1.0, 0.0),
        (ModeDropping(), 0.0, 1.0),
        (Density(), float(shares.mean()) / 5, 0.0),
    ]:
        assert float(measure.value(made, real)) == pytest.approx(of_twins)
        assert float(measure.value(beside, real)) == of_others


def test_what_parts_do_not_tell_is_not_told():
    data = from_arrays(repeated(200, 0), x_valid=repeated(90, 1), x_test=repeated(400, 2), standardize=False)
    found = assess(repeated(200, 3), data, ["mode-averaging", "coverage"], features="x")
    assert math.isnan(found.errors_from_floor("mode-averaging"))
    assert found.finding("mode-averaging") == "not told from data"
    assert not found.is_worse("mode-averaging")
    assert found.errors_from_floor("coverage") == 0
    assert "nan" in found.text()
    assert all(
        map(math.isnan, with_errors((1.0, torch.full((20,), torch.nan), 0.1), (0.0, torch.zeros(20), 0.1), True)[1:6:4])
    )
    found.plot()


def test_there_is_one_coverage():
    assert collapse.coverage is coverage_of
    torch.manual_seed(0)
    made, real = torch.randn(2, 60, 3)
    assert coverage_of(made, real) == float(Coverage().value(made, real))


def test_precision_and_recall_are_not_swapped():
    torch.manual_seed(0)
    real = torch.cat([torch.randn(200, 2) - 10, torch.randn(200, 2) + 10])
    one = torch.randn(400, 2) + 10
    assert float(Precision().value(one, real)) > 0.9 > 0.6 > float(Recall().value(one, real))
    assert float(Precision().value(real, one)) < 0.6 < 0.9 < float(Recall().value(real, one))


def test_the_libraries_of_the_field_agree_on_given_features():
    fid, kid, prc = (
        pytest.importorskip(f"torch_fidelity.{name}") for name in ("metric_fid", "metric_kid", "metric_prc")
    )
    torch.manual_seed(0)
    made, real = torch.randn(150, 5).double() * 1.2 + 0.3, torch.randn(150, 5).double()
    moments = [fid.fid_features_to_statistics(x) for x in (made, real)]
    theirs = fid.fid_statistics_to_metric(*moments, verbose=False)["frechet_inception_distance"]
    assert float(Frechet().value(made, real)) == pytest.approx(theirs, rel=1e-9)
    settings = {"kid_subsets": 1, "kid_subset_size": 150, "verbose": False}
    theirs = kid.kid_features_to_metric(made, real, **settings)["kernel_inception_distance_mean"]
    assert float(Kernel().value(made, real)) == pytest.approx(theirs, rel=1e-9)
    theirs = prc.prc_features_to_metric(made, real, prc_neighborhood=3, prc_batch_size=64, verbose=False)
    assert float(Precision().value(made, real)) == pytest.approx(theirs["precision"], abs=1e-6)
    assert float(Recall().value(made, real)) == pytest.approx(theirs["recall"], abs=1e-6)


def test_the_code_of_density_and_coverages_authors_agrees():
    prdc = pytest.importorskip("prdc")
    torch.manual_seed(0)
    made, real = torch.randn(150, 5).double() * 1.2 + 0.3, torch.randn(150, 5).double()
    theirs = prdc.compute_prdc(real_features=real.numpy(), fake_features=made.numpy(), nearest_k=5)
    ours = {"precision": Precision(5), "recall": Recall(5), "density": Density(5), "coverage": Coverage(5)}
    assert {k: float(m.value(made, real)) for k, m in ours.items()} == pytest.approx(theirs, rel=1e-9)


# -- pictures --------------------------------------------------------------------------------------------------------


def waves(up, across, n=3, side=16):
    """Pictures of one frequency, so many waves on each axis, at several phases."""
    i, j = torch.meshgrid(*[torch.arange(side).double()] * 2, indexing="ij")
    phase = torch.arange(n).double().reshape(n, 1, 1, 1) + 0.5
    return torch.cos(2 * torch.pi * (up * i + across * j) / side + phase) + 0.3


@pytest.mark.parametrize(
    ("measure", "up", "across", "share"),
    [
        (Sharpness(), 3, 2, 0.0),
        (Sharpness(), 4, 0, 0.0),  # a quarter of a cycle is not above itself
        (Sharpness(), 3, 3, 1.0),  # on the diagonal √18/16 > ¼
        (Sharpness(), 5, 0, 1.0),
        (Checkerboard(), 5, 5, 0.0),
        (Checkerboard(), 7, 7, 1.0),
        (Checkerboard(), 0, 6, 1.0),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Measure) else str(value),
)
def test_shares_of_frequencies(measure, up, across, share):
    assert measure.of_each(waves(up, across)).numpy() == pytest.approx(share, abs=1e-12)
    mixed = waves(up, across) + waves(1, 0)  # as much energy at a low frequency
    assert measure.of_each(mixed).numpy() == pytest.approx(share / 2, abs=1e-12)
    assert measure.of_each(torch.full((2, 1, 8, 8), 0.7).double()).tolist() == [0.0, 0.0]


def test_the_laplacian_of_a_wave_is_known():
    """Of cos(2π(ui + vj)/16) it is 4 − 2 cos(2πu/16) − 2 cos(2πv/16) times the wave."""
    gain = 4 - 2 * np.cos(np.pi / 4) - 2
    x = waves(2, 0, side=16)
    inner = gain * (x - 0.3)[..., 1:-1, 1:-1]
    assert Edges().of_each(x).numpy() == pytest.approx(inner.reshape(3, -1).var(1, correction=0).numpy(), rel=1e-9)
    assert float(Edges().value(2 * x, x)) == pytest.approx(4)
    assert float(Edges().value(x + 5, x)) == pytest.approx(1)


# -- copies ----------------------------------------------------------------------------------------------------------


def of_copies(made, held, train):
    return standard_error(Memorization().repeated(made, held, train, parts(False)), halved=False)


def test_memorization_of_the_hand():
    train, held = torch.tensor([[0.0], [10]]), torch.tensor([[1.0]])
    near = lambda *made: float(Memorization().value(torch.tensor(made).unsqueeze(1), held, train))  # noqa: E731
    assert near(0.1, 9.0, -3.0) == 1
    assert near(0.9) == -2
    assert near(0.1, 0.9) == pytest.approx(1 - 3 / 2)
    assert near(0.5) == pytest.approx(1 - 3 / 2)  # as near to both
    # a twin of training data and of held-out ones is as near to all of these, however they are rounded
    pool = repeated(300, 0, kinds=1)
    assert float(Memorization().value(repeated(60, 1, kinds=1), pool[:100], pool[100:])) == pytest.approx(0, abs=1e-12)
    with pytest.raises(ValueError, match="told of none; pass train="):
        Memorization().value(train, held)


@pytest.mark.parametrize(
    "made", [[0.05, 0.9, 1.2, 3.1, 3.2], [0.1, 0.12, 0.13], [0.0, 1.0, 2.0, 3.1, 4.0, 7.0]], ids=str
)
def test_whoever_does_not_know_the_training_data_has_none_memorized_whatever_is_made(made):
    """Over all choices of which data were held out the mean is 0, and the variance the square of the error."""
    pool, points = torch.tensor([[0.0], [1], [2], [3.1], [4.4], [7]]), torch.tensor(made).unsqueeze(1)
    found, errors = [], []
    for held in itertools.combinations(range(6), 2):
        out = torch.zeros(6, dtype=torch.bool)
        out[list(held)] = True
        found.append(float(Memorization().value(points, pool[out], pool[~out])))
        errors.append(Memorization().least_error(found[-1], points, pool[out], pool[~out]))
    assert np.mean(found) == pytest.approx(0, abs=1e-12)
    assert errors == pytest.approx([np.std(found)] * 15, abs=1e-7)


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_the_share_of_copies_is_found(seed, share):
    torch.manual_seed(seed)
    train, held, made = torch.randn(2000, 6), torch.randn(500, 6), torch.randn(500, 6)
    copied = torch.rand(500) < share
    made[copied] = train[:500][copied] + 1e-3 * torch.randn(int(copied.sum()), 6)
    error = max(Memorization().least_error(0, made, held, train), of_copies(made, held, train))
    assert float(Memorization().value(made, held, train)) == pytest.approx(share, abs=3 * error)
    assert error < 0.2


def test_samples_that_are_near_to_all_data_are_no_copies():
    """The rival of Meehan et al., whether samples are nearer to training data than other data are, takes them for copies."""
    for seed in range(3):
        torch.manual_seed(seed)
        train, held, blurred = torch.randn(1000, 20), torch.randn(300, 20), 0.5 * torch.randn(300, 20)
        error = max(Memorization().least_error(0, blurred, held, train), of_copies(blurred, held, train))
        assert abs(float(Memorization().value(blurred, held, train))) < 3 * error
        nearer = torch.cdist(blurred, train).amin(1).unsqueeze(1) < torch.cdist(held, train).amin(1)
        assert float(nearer.float().mean()) > 0.95  # ½ of the data's own distribution


def test_samples_that_are_all_alike_tell_nothing_of_copies():
    torch.manual_seed(0)
    train, held = torch.randn(900, 3), torch.randn(100, 3)
    alike = torch.zeros(100, 3) + 1e-6 * torch.randn(100, 3)
    assert Memorization().least_error(1, alike, held, train) == pytest.approx(3)  # √(T/M)


# -- errors ----------------------------------------------------------------------------------------------------------


def of_modes(n, good, generator):
    """What an oracle of five modes says of samples, of which a share is good, and fewer are in the last modes."""
    shares = torch.tensor([0.3, 0.25, 0.2, 0.15, 0.1], dtype=torch.float64)
    mode = torch.multinomial(shares, n, True, generator=generator)
    well = torch.rand(n, generator=generator) < good
    return torch.stack([mode.double(), well.double(), shares[mode], torch.full((n,), 8.0).double()], 1)


def of_its_kind(measure, n, generator, shift=0.0, scale=1.0):
    if measure.reads == "modes":
        made = of_modes(n, 0.9 - shift / 4, generator)
        return made, *(of_modes(n, 0.9, generator) for _ in range(3))
    shape = (1, 6, 6) if measure.reads == "pictures" else (3,)
    made, real, other = torch.randn(3, n, *shape, generator=generator)
    if measure.reads == "pictures":
        # a neighbour in it makes the data smooth, and its share of high frequencies another than noise has
        made, real, other = made + scale * made.roll(1, -1), real + real.roll(1, -1), other + other.roll(1, -1)
    else:
        made = made * scale + shift
    return made, real, other, torch.randn(4 * n, *shape, generator=generator)


@pytest.mark.parametrize("name", [name for name in MEASURES if name != "modes"])  # whose error is not from parts
def test_what_is_computed_once_is_what_is_computed_anew(name):
    measure = MEASURES[name]
    made, real, _, train = of_its_kind(measure, 103, torch.Generator().manual_seed(0))
    for halved in (False, True):
        repeated = [f(measure, made, real, train, parts(halved)) for f in (Measure.repeated, type(measure).repeated)]
        assert repeated[0].numpy() == pytest.approx(repeated[1].numpy(), rel=1e-9)


@pytest.mark.parametrize("name", MEASURES)
def test_the_order_of_rows_does_not_matter(name):
    measure = MEASURES[name]
    made, real, _, train = of_its_kind(measure, 80, torch.Generator().manual_seed(0))
    turned = [x[torch.randperm(len(x))] for x in (made, real, train)]
    assert float(measure.value(*turned)) == pytest.approx(float(measure.value(made, real, train)), rel=1e-9, abs=1e-12)


def error_of(measure, made, real, train, least=0.0):
    return max(standard_error(measure.repeated(made, real, train, parts(measure.halved)), measure.halved), least)


@pytest.mark.rotating
@pytest.mark.parametrize("name", MEASURES)
def test_errors_are_those_of_repeated_samples(name):
    """Two errors hold the mean of all repetitions in about 95 of 100; their squares are on average the variance, or more."""
    measure, generator, values, errors = MEASURES[name], torch.Generator().manual_seed(1), [], []
    for _ in range(80):
        made, real, _, train = of_its_kind(measure, 100, generator, shift=0.8, scale=0.8)
        values.append(float(measure.value(made, real, train)))
        errors.append(error_of(measure, made, real, train, measure.least_error(values[-1], made, real, train)))
    # the variance of 80 numbers is known to 16 %, and a share of 5 in 100 of them to 2.5
    assert 0.6 < np.mean(np.square(errors)) / np.var(values) < 2.2
    assert np.mean(np.abs(np.array(values) - np.mean(values)) < 2 * np.array(errors)) > 0.875


@pytest.mark.rotating
@pytest.mark.parametrize("name", MEASURES)
def test_samples_of_the_datas_own_distribution_are_at_the_floor(name):
    """Their differences from the floor are 0 on average, and hardly ever three errors; these may be too large by half."""
    measure, generator, scores = MEASURES[name], torch.Generator().manual_seed(2), []
    for _ in range(60):
        made, real, other, train = of_its_kind(measure, 100, generator)
        sides = []
        for points in (made, other):
            value = float(measure.value(points, real, train))
            repeated = measure.repeated(points, real, train, parts(measure.halved))
            sides.append((value, repeated, measure.least_error(value, points, real, train)))
        *_, excess, error = with_errors(*sides, measure.halved)
        scores.append(excess / error)
    assert abs(np.mean(scores)) < 4 * np.std(scores) / 60**0.5
    assert 0.5 < np.std(scores) < 1.25
    assert np.max(np.abs(scores)) < 3.5


def test_measures_of_modes_are_counts_by_hand():
    """Three modes of shares ½, ¼, ¼, two samples to cover one: four in the first, one good and one bad in the second."""
    rows = torch.tensor([[0, 1, 0.5, 2]] * 4 + [[1, 1, 0.25, 2], [1, 0, 0.25, 2]]).double()
    found = {name: float(MEASURES[name].value(rows, rows)) for name in ("modes", "high-quality", "uneven-modes")}
    kl = 2 / 3 * np.log(2 / 3 / 0.5) + 1 / 3 * np.log(1 / 3 / 0.25)
    assert found == pytest.approx({"modes": 1, "high-quality": 5 / 6, "uneven-modes": kl})


def test_the_oracle_of_the_data_is_asked_in_raw_units():
    data = load("ring")
    exact, law = data.test.x[:300], data.oracle
    rows = placed(law, exact)
    assert float(MEASURES["high-quality"].value(rows, rows)) == law.coverage(exact)["high_quality"]
    assert float(MEASURES["uneven-modes"].value(rows, rows)) == pytest.approx(law.coverage(exact)["kl"])
    assert float(MEASURES["modes"].value(rows, rows)) == law.coverage(exact)["modes"] == 8
    dropped = assess(data.test.x[data.test.y < 5], data, ["modes"])
    assert dropped.measured("modes").value == 5
    assert dropped.is_worse("modes")
    with pytest.raises(ValueError, match="nobody knows the modes of 'digits'"):
        assess(load("digits").test.x, load("digits"), ["modes"])
