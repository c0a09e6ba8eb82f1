"""What a gradient of annealed importance sampling costs, beside a bare loop of the decoder's gradients."""

from __future__ import annotations

import torch
from measure import Prepare, Section, Spread, interleave, ratios, verdict
from subjects import SHAPE, digits
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

import pyrogen
from pyrogen.inference import AIS, fit, log_evidence
from pyrogen.inference.evidence.annealing import pilot_transitions

DATA, CHAINS, LEAPFROGS, BAR = 16, 16, 10, 1.3
BARE, AGAIN, PRIOR, GUIDE = "bare loop", "bare loop again (A/A)", "AIS from the prior", "AIS from the guide"


class Anneals:
    """The contestants, on the same decoder and as many rows."""

    def __init__(self, temperatures: int) -> None:
        self.temperatures = temperatures
        self.model = pyrogen.create("vae", x_shape=SHAPE, hidden=(200, 200))
        data = digits(6400, DATA)
        fit(self.model, data, epochs=2, batch_size=128, device="cpu", validate=False, progress=False)
        self.x = data.test.x
        # the start of the path, the pilot's and the draws that scale the coordinates; then so many a transition
        moves = temperatures - 1 + pilot_transitions(temperatures)
        self.evaluations = moves * LEAPFROGS + 2

    def bare(self) -> Prepare:
        """As many gradients of log p(x|z), one after the other, as one would write them."""
        z = torch.randn(CHAINS, DATA, self.model.latent_size)
        parameters = list(self.model.parameters())

        def go() -> None:
            for p in parameters:
                p.requires_grad_(False)
            for _ in range(self.evaluations):
                self.gradient(z)
            for p in parameters:
                p.requires_grad_(True)

        return lambda: go

    def gradient(self, z: Tensor) -> Tensor:
        z = z.detach().requires_grad_()
        logits = self.model.decoder.net(z.flatten(0, 1)).unflatten(0, (CHAINS, DATA))
        log_x = -binary_cross_entropy_with_logits(logits, self.x.expand_as(logits), reduction="sum")
        return torch.autograd.grad(log_x, z)[0]

    def annealed(self, init: str) -> Prepare:
        estimator = AIS(self.temperatures, CHAINS, init=init, leapfrogs=LEAPFROGS, doubling=False)
        return lambda: lambda: log_evidence(self.model, self.x, estimator)


def measure(threads: list[int], quick: bool) -> Section:
    """Rounds of one whole estimate each; every evaluation counts, those of the pilot run too."""
    temperatures, rounds = (10, 3) if quick else (1000, 3)
    anneals = Anneals(temperatures)
    rows = []
    for n in threads:
        torch.set_num_threads(n)
        contestants = {
            BARE: anneals.bare(),
            AGAIN: anneals.bare(),
            PRIOR: anneals.annealed("prior"),
            GUIDE: anneals.annealed("guide"),
        }
        seconds = interleave(contestants, rounds, n)
        for name, values in seconds.items():
            speed = Spread.of(anneals.evaluations * CHAINS * DATA / v / 1e3 for v in values)
            ratio = ratios(values, seconds[BARE])
            judged = verdict(ratio.median, BAR) if name in (PRIOR, GUIDE) else ""
            rows.append((str(n), name, speed.text(1), ratio.text(), judged))
    notes = (
        f"AIS(temperatures={temperatures}, chains={CHAINS}, leapfrogs={LEAPFROGS}) of {DATA} data in one batched program: "
        f"decoder 20-200-200-784, Bernoulli, {anneals.evaluations} gradients of {CHAINS * DATA} rows, of which the pilot run "
        f"takes {pilot_transitions(temperatures) * LEAPFROGS}; {rounds} rounds.",
        "The bare loop is autograd of the decoder's log p(x|z) with frozen parameters, on the same rows, and nothing else.",
    )
    columns = ("threads", "", "1000 decoder evaluations / s", "time to bare loop", "bar")
    return Section("ais", notes, columns, tuple(rows))
