"""Autoregressive models: they sum to one, look back only, and are drawn from caches as they are scored."""

import itertools
import math

import pytest
import torch

import pyrogen
from pyrogen.inference import ELBO, Enumerate, fit, log_evidence
from pyrogen.nets.causal import Causal
from pyrogen.nets.masked import MaskedMLP
from pyrogen.priors import PixelCNNPrior

SMALL = {"width": 6, "layers": 2, "kernel": 3}
MLP = {"hidden": (16, 8)}
MODELS = {
    "made": ("made", (1, 3, 3), MLP),
    "made, vector": ("made", (8,), MLP),
    "made, two channels": ("made", (2, 2, 2), MLP),
    "made, reversed": ("made", (8,), {**MLP, "order": list(range(8))[::-1]}),
    "made, narrow": ("made", (1, 4, 4), {"hidden": (20, 4)}),
    "pixelcnn": ("pixelcnn", (1, 3, 3), SMALL),
    "pixelcnn, two channels": ("pixelcnn", (2, 2, 2), SMALL),
    "gated": ("pixelcnn-gated", (1, 3, 3), SMALL),
    "gated, one row": ("pixelcnn-conditional", (1, 1, 8), {**SMALL, "classes": 3}),
    "gated, three channels": ("pixelcnn-gated", (3, 1, 3), SMALL),
    "nade": ("nade", (1, 3, 3), {"width": 12}),
    "nade, reversed": ("nade", (2, 2, 2), {"width": 12, "order": list(range(8))[::-1]}),
    "row LSTM": ("pixelrnn", (1, 3, 3), SMALL),
    "row LSTM, two channels": ("pixelrnn", (2, 2, 2), SMALL),
    "diagonal BiLSTM": ("pixelrnn", (1, 3, 3), {**SMALL, "recurrence": "diagonal"}),
    "diagonal BiLSTM, two channels": ("pixelrnn", (2, 2, 2), {**SMALL, "recurrence": "diagonal"}),
    "gated, told y": ("pixelcnn-conditional", (1, 3, 3), {**SMALL, "classes": 3}),
}


def build(name, seed=0):
    """A model whose weights are not those of a start, where biases and gates do little."""
    entry, shape, arguments = MODELS[name]
    torch.manual_seed(seed)
    m = pyrogen.create(entry, x_shape=shape, **arguments)
    with torch.no_grad():
        for p in m.parameters():
            p.mul_(2).add_(0.1 * torch.randn_like(p))
    return m


def y_of(m, n):
    return None if m.condition is None else torch.arange(n) % m.condition.classes


def all_bits(shape):
    return torch.tensor(list(itertools.product((0.0, 1.0), repeat=math.prod(shape)))).reshape(-1, *shape)


def elements(place, shape):
    """The elements of x that are drawn at a place, as a mask."""
    mask = torch.zeros(1, *shape, dtype=torch.bool)
    mask[place.elements] = True
    return mask[0]


def said_of(features, place, shape):
    """The parameters of what is drawn at a place, of those at its pixel."""
    return features if place.channel is None else features.unflatten(1, (-1, shape[0]))[:, :, place.channel]


@pytest.mark.parametrize("name", MODELS)
def test_probabilities_sum_to_one_and_samples_follow_them(name):
    m = build(name)
    x = all_bits(m.x_shape)
    told = None if m.condition is None else torch.ones(len(x), dtype=torch.long)
    p = m.log_prob(x, told).detach().double().exp()
    assert float(p.sum()) == pytest.approx(1, abs=1e-5)
    n = 4000
    drawn = m.sample(n, None if told is None else torch.ones(n, dtype=torch.long)).flatten(1)
    index = (drawn @ (2.0 ** torch.arange(drawn.shape[1]).flip(0))).long()
    seen = torch.bincount(index, minlength=len(x)) / n
    # of so many states the rare ones are few: what counts is the distance of the whole
    assert float((seen - p).square().sum()) == pytest.approx(float((1 - p.square().sum()) / n), rel=0.35)


LOGISTICS = {"name": "DiscretizedLogisticMixture", "components": 2}


@pytest.mark.parametrize("likelihood", ["Categorical", LOGISTICS], ids=str)
@pytest.mark.parametrize("entry", ["pixelcnn", "pixelcnn-gated"])
def test_levels_of_a_pixel_sum_to_what_is_before_it(entry, likelihood):
    torch.manual_seed(0)
    m = pyrogen.create(entry, x_shape=(1, 1, 2), likelihood=likelihood, **SMALL).double()
    x = torch.cartesian_prod(torch.tensor([0.0, 1.0, 77.0, 255.0]), torch.arange(256.0)).reshape(4, 256, 1, 1, 2)
    p, first = m.log_prob(x).exp(), m.log_conditionals(x)[..., 0, 0].exp()
    torch.testing.assert_close(p.sum(1), first[:, 0], rtol=1e-9, atol=0)
    assert (first == first[:, :1]).all()


@pytest.mark.parametrize(
    ("likelihood", "shape"), [(LOGISTICS, (2, 1, 1)), ({"name": "Ordinal", "levels": 3}, (2, 2, 1))], ids=str
)
def test_levels_of_two_channels_sum_to_one(likelihood, shape):
    torch.manual_seed(0)
    m = pyrogen.create("pixelcnn-gated", x_shape=shape, likelihood=likelihood, **SMALL).double()
    levels = torch.arange(m.likelihood.support.upper_bound + 1.0)
    x = torch.cartesian_prod(*[levels] * math.prod(shape)).reshape(-1, *shape)
    assert float(m.log_prob(x).detach().exp().sum()) == pytest.approx(1, abs=1e-10)


@pytest.mark.parametrize("name", MODELS)
def test_nothing_sees_itself_or_what_follows(name):
    m = build(name)
    x = torch.randn(20, *m.x_shape, requires_grad=True)
    told = None if m.condition is None else m.reader(y_of(m, 20))
    features = m.net(x, told)
    before = torch.zeros(m.x_shape, dtype=torch.bool)
    for place in m.net.net.places:
        said = said_of(features[place.window], place, m.x_shape)
        (grad,) = torch.autograd.grad(said.pow(2).sum(), x, retain_graph=True)
        assert (grad[:, ~before] == 0).all(), place
        before |= elements(place, m.x_shape)
    assert before.all()


@pytest.mark.parametrize("hidden", [(1,), (5,), (19,), (40, 5), (5, 3, 18)], ids=str)
def test_the_last_element_sees_all_before_it_however_narrow_layers_are(hidden):
    torch.manual_seed(0)
    net = MaskedMLP((20,), hidden, 1)
    for d in net.degrees:
        assert (int(d.min()), int(d.max())) == (1 if len(d) > 1 else 19, 19)
    x = torch.ones(1, 20)
    with torch.no_grad():
        for p in net.parameters():
            p.fill_(0.1)
    seen = torch.autograd.functional.jacobian(net, x)[0, :, 0] > 0
    assert seen[-1].tolist() == [True] * 19 + [False]
    assert not seen.triu().any()


@pytest.mark.parametrize("name", MODELS)
@torch.no_grad()
def test_caches_say_what_the_whole_network_says(name):
    m = build(name).double()
    x = torch.rand(4, *m.x_shape, dtype=torch.float64)
    told = None if m.condition is None else m.reader(y_of(m, 4)).double()
    whole, walked = m.net(x, told), torch.zeros_like(x)
    causal = m.net.net
    at, naive = causal.begin(walked, told), Causal.begin(causal, walked, told)
    for place in causal.places:
        for walk in (at, naive):
            here = walk(place)
            assert here.shape == whole[place.window].shape
            a, b = (said_of(f, place, m.x_shape) for f in (here, whole[place.window]))
            torch.testing.assert_close(a, b, rtol=0, atol=1e-10)
        walked = torch.where(elements(place, m.x_shape), x, walked, out=walked)


@pytest.mark.parametrize("name", MODELS)
def test_what_is_known_is_kept_and_the_rest_is_drawn_given_it(name):
    m = build(name)
    n, known = 3000, len(m.net.net.places) // 2
    x, told = (torch.rand(1, *m.x_shape) < 0.5).float().expand(n, *m.x_shape), y_of(m, 1)
    kept = torch.stack([elements(place, m.x_shape) for place in m.net.net.places[:known]]).any(0)
    drawn = m.complete(x, known, None if told is None else told.expand(n))
    assert torch.equal(drawn[:, kept], x[:, kept])
    every = all_bits(m.x_shape)
    every = every[(every[:, kept] == x[0, kept]).all(1)]
    p = m.log_prob(every, None if told is None else told.expand(len(every))).detach().double().softmax(0)
    means = (p.reshape(-1, *[1] * len(m.x_shape)) * every).sum(0).clamp(0, 1)
    assert ((drawn.mean(0) - means).abs() < 5 * (means * (1 - means) / n).sqrt() + 1e-3).all()
    # nothing is read of what is not known
    torch.manual_seed(0)
    first = m.complete(x[:4], known, None if told is None else told.expand(4))
    torch.manual_seed(0)
    spoiled = torch.where(kept, x[:4], torch.full_like(x[:4], 7.0))
    assert torch.equal(m.complete(spoiled, known, None if told is None else told.expand(4)), first)


@pytest.mark.parametrize("dtype", [torch.float64, torch.uint8], ids=str)
@pytest.mark.parametrize(
    ("name", "channels", "arguments"),
    [
        ("pixelcnn-logistic", 3, SMALL),
        ("masked-diffusion", 1, {"denoiser": {"name": "Perceptron", "hidden": [8]}, "likelihood": "Categorical"}),
    ],
)
def test_gaps_of_data_of_any_real_type_are_filled_in_the_models_own(name, channels, arguments, dtype, draws):
    x, seen = draws("levels", 10, channels, 3, 3), torch.tensor([[1, 0, 1], [0, 0, 1], [1, 0, 0]]).bool()
    m = pyrogen.create(name, x_shape=x.shape[1:], **arguments)
    found = []
    for given in (x, x.to(dtype)):
        torch.manual_seed(0)
        found.append(m.fill(given, seen))
    (filled, log_w), (other, again) = found
    assert (other.dtype, again.dtype) == (torch.float32, log_w.dtype)
    assert torch.equal(other, filled)
    assert torch.equal(again, log_w)
    assert torch.equal(other[:, :, seen], x[:, :, seen])


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("name", ["pixelcnn", "pixelcnn-gated"])
def test_weights_of_filled_gaps_are_p_of_what_is_seen(name, channels):
    # channels that are drawn one after another: of the hidden middle pixel all answers are enumerated
    torch.manual_seed(0)
    m = create(name, (channels, 1, 3)).double()
    with torch.no_grad():
        for parameter in m.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    seen = torch.tensor([[1, 0, 1]]).bool()
    x = torch.ones(1, channels, 1, 3).double()
    wholes = x.expand(2**channels, -1, -1, -1).clone()
    wholes[:, :, 0, 1] = torch.cartesian_prod(*[torch.tensor([0.0, 1.0]).double()] * channels).reshape(-1, channels)
    log_p = m.log_prob(wholes)
    filled, log_w = m.fill(x.expand(2000, -1, -1, -1), seen)
    drawn = (filled.flatten(1).unsqueeze(1) == wholes.flatten(1)).all(2).float().argmax(1)
    # of each draw: its weight times what it was drawn with is p of the whole
    by_draw = torch.stack([log_w[drawn == i].mean() for i in range(len(wholes)) if (drawn == i).any()])
    assert all(torch.allclose(log_w[drawn == i], by_draw[j]) for j, i in enumerate(drawn.unique().tolist()))
    mean, error = log_w.exp().mean(), log_w.exp().std() / len(log_w) ** 0.5
    assert abs(mean - log_p.exp().sum()) < 4 * error + 1e-12
    shares = (log_p - log_w.new_tensor([log_w[drawn == i].mean() for i in range(len(wholes))])).exp()
    assert torch.isclose(shares.sum(), torch.ones(()).double())
    if channels > 1:
        with pytest.raises(ValueError, match="some channels of a pixel"):
            m.distribution().fill(x, [True] + [False] * (3 * channels - 1))


@pytest.mark.parametrize("name", ["pixelcnn", "nade"])
def test_a_temperature_sharpens_every_conditional(name):
    m = create(name, (1, 1, 2))
    with torch.no_grad():
        for parameter in m.parameters():
            parameter.add_(0.5 * torch.randn_like(parameter))
        logits = m.distribution().conditionals(torch.zeros(1, 1, 1, 2)).logits[0, 0, 0]
    x = torch.zeros(4000, 1, 1, 2)
    cold = m.complete(x, 0, temperature=0.5)[:, 0, 0]
    # what follows is compared where the element before it is the one that was given
    for place, draws in enumerate((cold[:, 0], cold[cold[:, 0] == 0][:, 1])):
        assert abs(draws.mean() - torch.sigmoid(2 * logits[place])) < 2.5 / len(draws) ** 0.5
    torch.manual_seed(0)
    same = m.complete(x[:50], 0, temperature=1.0)
    torch.manual_seed(0)
    assert torch.equal(m.sample(50), same)
    assert len(m.complete(x[:50], 0, temperature=0.0).unique(dim=0)) == 1


@pytest.mark.parametrize("likelihood", ["Bernoulli", "Categorical"])
def test_levels_and_bits_at_a_temperature_have_powers_of_their_probabilities(likelihood):
    m = create("made", (1, 1, 1), likelihood=likelihood)
    values = torch.arange(2.0 if likelihood == "Bernoulli" else 256.0).reshape(-1, 1, 1, 1)
    p, cold = (d.log_prob(values).detach() for d in (m.distribution(), m.distribution().at(0.25)))
    torch.testing.assert_close(cold, (4 * p).log_softmax(0))


def test_temperatures_need_finitely_many_values():
    m = create("pixelcnn-gated", (1, 2, 2), likelihood="DiscretizedLogisticMixture")
    with pytest.raises(ValueError, match="MixtureOfDiscretizedLogistics is none; take a model with"):
        m.complete(torch.zeros(2, 1, 2, 2), 0, temperature=0.5)
    with pytest.raises(ValueError, match="temperature=-1"):
        m.complete(torch.zeros(2, 1, 2, 2), 0, temperature=-1)


def test_the_blind_spot_of_plain_kernels_is_seen_by_the_gated_ones():
    """Three layers of 3 × 3: plain ones miss what is up to the right, gated ones see a box of all that is before."""
    fields = {}
    for entry in ("pixelcnn", "pixelcnn-gated"):
        torch.manual_seed(0)
        m = pyrogen.create(entry, x_shape=(1, 7, 9), width=8, layers=3, kernel=3)
        fields[entry] = (m.receptive_field((4, 4))[0] > 0).long()
    plain = torch.tensor(
        [
            [1, 1, 1, 1, 1, 1, 1, 1, 1],
            [1, 1, 1, 1, 1, 1, 1, 1, 0],
            [1, 1, 1, 1, 1, 1, 1, 0, 0],
            [1, 1, 1, 1, 1, 1, 0, 0, 0],
            [1, 1, 1, 1, 0, 0, 0, 0, 0],
            [0] * 9,
            [0] * 9,
        ]
    )
    box = [[0, 1, 1, 1, 1, 1, 1, 1, 0]] * 4 + [[0, 1, 1, 1, 0, 0, 0, 0, 0]] + [[0] * 9] * 2
    assert torch.equal(fields["pixelcnn"], plain)
    assert torch.equal(fields["pixelcnn-gated"], torch.tensor(box))


def test_orders_are_mixed_evenly():
    torch.manual_seed(0)
    orders = [[0, 1, 2, 3], [3, 1, 0, 2]]
    m = pyrogen.create("made-orders", x_shape=(4,), hidden=(12,), given=orders)
    with torch.no_grad():
        for p in m.parameters():
            p.mul_(2)
    x = all_bits((4,))
    each = []
    for order in orders:
        one = pyrogen.create("made", x_shape=(4,), hidden=(12,), order=order)
        one.load_state_dict({f"net.net.{k}": v for k, v in m.state_dict().items()})
        each.append(one.log_prob(x).detach().exp())
        assert float(each[-1].sum()) == pytest.approx(1, abs=1e-5)
    p = m.log_prob(x).detach().exp()
    torch.testing.assert_close(p, (each[0] + each[1]) / 2)
    assert not torch.allclose(each[0], each[1], atol=0.01)
    n = 8000
    seen = torch.bincount((m.sample(n) @ (2.0 ** torch.arange(3, -1, -1))).long(), minlength=16) / n
    assert ((seen - p).abs() < 5 * (p / n).sqrt()).all()


@pytest.mark.parametrize(
    ("call", "message"),
    {
        "order": (
            lambda: create("made", (4,), order=[0, 1, 1, 3]),
            r"an order names each of the 4 elements .*\[0, 1, 1, 3\]",
        ),
        "short": (lambda: create("made", (4,), order=[0, 1]), r"an order names each of the 4 elements"),
        "orders": (lambda: create("made-orders", (4,), given=[[1, 2, 3, 4]]), r"an order names .* 0 to 3 once"),
        "none": (lambda: create("made-orders", (4,), orders=0), r"orders=0"),
        "vector": (lambda: create("pixelcnn", (4,)), r"PixelCNN reads images.*x_shape=\(4,\)"),
        "even": (lambda: create("pixelcnn-gated", (1, 4, 4), kernel=4), r"odd kernel"),
        "layers": (lambda: create("pixelcnn", (1, 4, 4), layers=0), r"layers=0"),
        "recurrence": (lambda: create("pixelrnn", (1, 4, 4), recurrence="column"), r"'row' or 'diagonal'"),
        "nade": (lambda: create("nade", (3,), order=[0, 0, 1]), r"an order names each of the 3 elements"),
        "narrow": (lambda: create("pixelcnn", (3, 4, 4), width=2), r"width=2 .*3 channels"),
        "known": (lambda: create("pixelcnn", (1, 2, 2)).complete(torch.zeros(1, 1, 2, 2), 5), r"known=5: there are 4"),
        "grid": (lambda: PixelCNNPrior(classes=3), r"classes=3\) needs grid"),
        "no rows": (lambda: PixelCNNPrior(grid=(3,)), r"grid=\(3,\)"),
        "sizes": (lambda: PixelCNNPrior(grid=(2, 2)).size(6), r"2 × 2 places .*latent_size=6 .*use latent_size=4"),
        "one": (lambda: PixelCNNPrior(classes=1, grid=(2, 2)).size(4), r"one class"),
    }.values(),
)
def test_refusals(call, message):
    with pytest.raises(ValueError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


def create(entry, x_shape, **arguments):
    return pyrogen.create(entry, x_shape=x_shape, **arguments)


# ---------------------------------------------------------------------------------------------------- as a prior

PRIORS = {
    "bits in a row": (PixelCNNPrior(width=8), 4, "Bernoulli"),
    "bits on a grid": (PixelCNNPrior(grid=(1, 2), width=8), 4, "Bernoulli"),
    "classes": (PixelCNNPrior(classes=3, grid=(2, 1), width=8), 6, {"name": "Categorical", "variables": 2}),
}


@pytest.mark.parametrize(("prior", "size", "posterior"), PRIORS.values(), ids=PRIORS)
def test_a_prior_is_drawn_as_it_is_scored(prior, size, posterior):
    torch.manual_seed(0)
    prior.size(size)
    with torch.no_grad():
        for p in prior.parameters():
            p.mul_(2)
    states = prior().enumerate_support(expand=False)
    assert prior.support.check(states).all()
    p = prior().log_prob(states).detach().exp()
    assert float(p.sum()) == pytest.approx(1, abs=1e-5)
    n = 4000
    drawn = prior().sample((n,))
    assert drawn.shape == (n, size)
    index = (drawn.unsqueeze(1) == states).all(-1).long().argmax(1)
    seen = torch.bincount(index, minlength=len(states)) / n
    assert ((seen - p).abs() < 5 * (p / n).sqrt() + 1e-3).all()


@pytest.mark.parametrize(("prior", "size", "posterior"), PRIORS.values(), ids=PRIORS)
def test_a_vae_learns_its_prior_over_a_grid(prior, size, posterior):
    torch.manual_seed(0)
    m = pyrogen.create("vae", x_shape=(6,), latent_size=size, hidden=(8,), prior=prior, posterior=posterior)
    x = (torch.rand(64, 6) < 0.5).float()
    # of one row, or one column, some weights have nothing to look at
    before = {k: v.clone() for k, v in m.prior.state_dict().items() if "head" in k}
    fit(m, x, ELBO(), epochs=1, batch_size=32, seed=0, progress=False, device="cpu")
    assert all(not torch.equal(m.prior.state_dict()[k], v) for k, v in before.items())
    exact = log_evidence(m, x[:3], Enumerate())["log_evidence"].values
    states = m.prior().enumerate_support(expand=False)
    joint = m.prior().log_prob(states)[:, None] + m.decode(states[:, None]).log_prob(x[:3])
    assert exact == pytest.approx(joint.logsumexp(0).detach().numpy(), abs=1e-5)


def test_a_prior_is_told_what_the_model_is_told():
    torch.manual_seed(0)
    m = pyrogen.create(
        "vae-conditional", x_shape=(6,), latent_size=4, classes=3, prior=PixelCNNPrior(width=8), posterior="Bernoulli"
    )
    p = m.prior(torch.tensor([0, 1, 2]))
    assert p.batch_shape == (3,)
    states = p.enumerate_support(expand=False)
    probabilities = p.log_prob(states).exp()
    assert probabilities.sum(0).tolist() == pytest.approx([1, 1, 1], abs=1e-5)
    assert (probabilities[:, 0] - probabilities[:, 1]).abs().max() > 1e-4
    assert m.sample(3, torch.tensor([0, 1, 2])).shape == (3, 6)


def test_what_is_told_changes_what_is_said_and_drawn():
    m = build("gated, told y")
    x = all_bits(m.x_shape)
    told = [m.log_prob(x, torch.full((len(x),), k)).detach().exp() for k in range(3)]
    assert all(float(p.sum()) == pytest.approx(1, abs=1e-5) for p in told)
    assert min(float((a - b).abs().sum()) for a, b in itertools.combinations(told, 2)) > 0.05
    torch.manual_seed(0)
    one = m.sample(2000, torch.zeros(2000, dtype=torch.long)).mean(0)
    expected = (told[0].reshape(-1, 1, 1, 1) * x).sum(0)
    assert ((one - expected).abs() < 5 * (expected * (1 - expected) / 2000).sqrt()).all()
    with pytest.raises(ValueError, match="the model is conditional, and got no y"):
        m.sample(3)
    with pytest.raises(ValueError, match="the model is conditional, and got no y"):
        m.complete(x[:3], 2)
