"""A game on tiny data, from fixed seeds, and runs that are stopped."""

import signal

import torch

from pyrogen.inference.training.game import Game, Rules


def stop_after(patch, batches, stop=lambda: signal.raise_signal(signal.SIGINT)):
    """Let a run hear Ctrl-C, or what else is to stop it, after so many batches, however its steps are taken."""
    count, left = Game.count, [batches]

    def counted(game):
        count(game)
        left[0] -= 1
        if left[0] == 0:
            stop()

    patch.setattr(Game, "count", counted)


def played(model, data, compile="auto", players=None, epochs=4, batch_size=16, between=lambda g: None, **rules):
    """A stage of a model as it is after some epochs; what is to happen between them is told the game."""
    torch.manual_seed(1)
    model.train()
    players = players or model.stages()[0].players
    g = Game(model, players, data.train, Rules(batch_size=batch_size, epochs=epochs, compile=compile, **rules))
    generator = torch.Generator().manual_seed(0)
    for epoch in range(epochs):
        g.begin_epoch(generator)
        g.enter(epoch + 1)
        while g.batch < g.batches:
            g.move()
        between(g)
    return g
