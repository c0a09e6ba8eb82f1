"""Recipes at the scale of their papers: each is built at its real size, and every player of every stage moves once."""

import math

import pytest
import torch

import pyrogen
from pyrogen import registry
from pyrogen.data import from_arrays, load
from pyrogen.inference.training.game import Game, Rules

PAPERS = pyrogen.list_models("*-paper")
AT_ONCE = 4  # of a larger batch: what a layer computes is then of its real size, and one processor may do it
# data that are read from files: shapes of x and y, and the kind, of which others are drawn
FILES = {
    "mnist": ((1, 28, 28), 10, "binary"),
    "cifar10": ((3, 32, 32), 10, "unit"),
    "emoji-line-colour": ((3, 64, 64), (1, 64, 64), "unit"),
}


def data_like(name):
    """The data of an entry, or noise in their shape."""
    if name not in FILES:
        return load(name)
    x_shape, y, kind = FILES[name]
    draw = torch.Generator().manual_seed(0)
    n = 10 * AT_ONCE
    x = torch.rand(n, *x_shape, generator=draw)
    told = torch.arange(n) % y if isinstance(y, int) else torch.rand(n, *y, generator=draw)
    return from_arrays((x.round() if kind == "binary" else x).numpy(), told.numpy(), kind=kind)


@pytest.mark.slow
@pytest.mark.parametrize("name", PAPERS)
def test_a_recipe_of_a_paper_takes_a_step_at_its_real_size(name):
    record = registry.find("entry", name)
    data, recipe = data_like(record.details["data"]), record.details["recipe"]
    model = pyrogen.create(name, **data.decides(record.load()))
    batch_size = min(recipe["batch_size"], AT_ONCE)
    train = data.train.take(batch_size)
    model.check(train.x, train.y)
    model.before_training(train.x)
    for stage in model.stages():
        stage.enter()
        rules = Rules(batch_size, 1, recipe.get("lr"), recipe.get("lr_milestones", ()), recipe.get("lr_decay", 0.1))
        game = Game(model, stage.players, train, rules)
        before = [[p.detach().clone() for p in player.parameters()] for player in stage.players]
        game.begin_epoch(torch.Generator().manual_seed(0))
        game.enter(1)
        game.move()
        assert all(map(math.isfinite, game.measured().values()))
        for player, was in zip(stage.players, before, strict=True):
            moved = [not torch.equal(p, old) for p, old in zip(player.parameters(), was, strict=True)]
            assert any(moved), (stage.name, player.name)
