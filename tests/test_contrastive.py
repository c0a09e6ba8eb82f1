"""Representations by contrast: the loss and its bound, the views, who moves, and an encoder that stays when it is drawn."""

import itertools
import math
from dataclasses import replace

import pytest
import torch

import pyrogen
from pyrogen.base import Batch
from pyrogen.data import load
from pyrogen.inference import ELBO, InfoNCE, fit
from pyrogen.inference.objectives.augmentations import Affine, Corrupted
from pyrogen.inference.objectives.infonce import info_nce, information

SQUARES = {"name": "Normal", "scale": "fixed"}


def encoder(**more):
    return pyrogen.create("contrastive", x_shape=(1, 8, 8), latent_size=4, hidden=(8,), likelihood=SQUARES, **more)


def test_views_that_say_nothing_cost_what_guessing_costs():
    same = torch.ones(6, 3)
    assert float(info_nce(same, same, 0.5)) == pytest.approx(math.log(11))


def test_the_loss_is_the_sum_that_is_written():
    a, b, t = torch.randn(3, 4), torch.randn(3, 4), 0.7
    views = torch.cat([a, b]).double()
    cosine = torch.nn.functional.cosine_similarity(views[:, None], views[None], dim=-1) / t
    total = 0.0
    for i in range(6):
        others = [j for j in range(6) if j != i]
        total -= float(cosine[i, (i + 3) % 6] - torch.logsumexp(cosine[i, others], 0))
    assert float(info_nce(a, b, t)) == pytest.approx(total / 6, rel=1e-5)


def test_its_information_is_a_lower_bound_that_comes_near():
    # views of eight equally likely data, which share log 8 nats, among many of each
    rng = torch.Generator().manual_seed(0)
    data = torch.randint(8, (512,), generator=rng)
    views = torch.eye(8)[data]
    assert float(information(views, views, 0.05)) == pytest.approx(math.log(8), abs=0.02)
    assert float(information(views, views.roll(1, 0), 0.05)) < 0


def test_its_information_is_below_that_of_a_bit():
    """All 32 batches of five fair bits, both views the bit itself: E log 5 / (1 + S), S ~ Bin(4, ½), and not above log 2."""
    bits = torch.tensor([*itertools.product((-1.0, 1.0), repeat=5)]).unsqueeze(2)
    found = torch.stack([information(x, x, 0.05) for x in bits]).mean()
    expected = sum(math.comb(4, s) / 16 * math.log(5 / (1 + s)) for s in range(5))
    assert float(found) == pytest.approx(expected, abs=1e-5)
    assert float(found) < math.log(2)
    # the control: as if the two views of another datum were independent candidates
    with_both = math.log(9) - torch.stack([info_nce(x, x, 0.05) for x in bits]).mean()
    assert float(with_both) == pytest.approx(0.6952, abs=1e-4)
    assert float(with_both) > math.log(2)


def test_views_of_images_are_each_their_own():
    x = torch.zeros(40, 1, 9, 9)
    x[:, :, 3:6, 3:6] = 1
    still = Affine(turn=0, shear=0, scale=0, move=0, noise=0)
    assert torch.allclose(still(x), x, atol=1e-5)
    moved = Affine(turn=30, noise=0)(x)
    assert moved.shape == x.shape
    assert len({tuple(row.flatten().tolist()) for row in moved}) == 40
    quarter = Affine(turn=90, shear=0, scale=0, move=0, noise=0)
    # a square that is turned about its own centre keeps its mass
    assert float(quarter(x).mean()) == pytest.approx(float(x.mean()), rel=0.05)
    # a disk that is turned about its centre is itself, however wide the image is
    down, right = torch.meshgrid(torch.arange(20.0), torch.arange(60.0), indexing="ij")
    disk = (7 - ((down - 9.5) ** 2 + (right - 29.5) ** 2).sqrt()).clamp(0, 1).expand(30, 1, 20, 60)
    assert float((quarter(disk) - disk).abs().max()) < 0.3
    aside = Affine(turn=0, shear=0, scale=0, move=0.2, noise=0)(x)
    places = (aside * torch.arange(9.0)).sum((1, 2, 3)) / aside.sum((1, 2, 3))
    assert float((places - 4).abs().max()) <= 0.2 * 9 + 1e-4
    assert float((places - 4).abs().max()) > 1.0


def test_views_of_vectors_are_corrupted():
    x = torch.ones(200, 5)
    assert float(Corrupted(0.4)(x).mean()) == pytest.approx(0.6, abs=0.06)
    with pytest.raises(ValueError, match="moves images"):
        Affine()(x)


def test_an_objective_of_its_own_moves_codes_and_leaves_the_decoder():
    m = pyrogen.create("vae", x_shape=(1, 8, 8), latent_size=3, hidden=(8,))
    (player,) = InfoNCE().players(m)
    idle = set(player.resting())
    assert {id(p) for p in m.decoder.parameters()} <= idle
    before = {k: v.clone() for k, v in m.state_dict().items()}
    fit(m, load("digits"), objective=InfoNCE(), epochs=1, batch_size=256)
    moved = {k for k, v in m.state_dict().items() if not torch.equal(v, before[k])}
    assert any("encoder" in k for k in moved)
    assert not any("decoder" in k for k in moved)


def test_as_a_term_it_shapes_the_codes_of_a_vae():
    m = pyrogen.create("vae", x_shape=(1, 8, 8), latent_size=3, hidden=(8,))
    run = fit(m, load("digits"), objective=ELBO() + 10 * InfoNCE(), epochs=1, batch_size=256)
    assert math.isfinite(run.history["train/loss"].iloc[-1])


def test_the_decoder_learns_of_codes_that_stay():
    data, m = load("digits", kind="unit", dequantization=False), encoder()
    seen = {}

    def watch(stage, enter):
        def entered():
            seen[stage.name] = {k: v.clone() for k, v in m.state_dict().items()}
            enter()

        return entered

    stages = [replace(s, enter=watch(s, s.enter)) for s in m.stages()]
    m.stages = lambda: stages
    fit(m, data, epochs=1, batch_size=128)
    after = m.state_dict()
    changed = {k for k in after if not torch.equal(after[k], seen["decoder"][k])}
    assert any(k.startswith("decoder") for k in changed)
    assert not any(k.startswith("encoder") for k in changed)
    first = {k for k in after if not torch.equal(seen["contrast"][k], seen["decoder"][k])}
    assert not any(k.startswith("decoder") for k in first)


REFUSED = {
    "no codes": (lambda: InfoNCE().players(pyrogen.create("rbm", x_shape=(1, 8, 8))), "is no pair that encodes"),
    "a condition": (
        lambda: InfoNCE().players(pyrogen.create("vae-conditional", x_shape=(1, 8, 8), classes=3)),
        "is told y",
    ),
    "a temperature": (lambda: InfoNCE(temperature=0.0), "above 0"),
    "a scale": (lambda: Affine(scale=1.0), "below 1"),
    "a corruption": (lambda: Corrupted(2.0), "at most 1"),
    "vectors": (
        lambda: (
            InfoNCE()
            .players(pyrogen.create("vae", x_shape=(3,), latent_size=2, likelihood=SQUARES))[0]
            .loss(Batch(torch.zeros(2, 3)))
        ),
        "use augmentation='Corrupted'",
    ),
}


@pytest.mark.parametrize(("act", "match"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_contrasted_is_refused(act, match):
    with pytest.raises(ValueError, match=match):
        act()
