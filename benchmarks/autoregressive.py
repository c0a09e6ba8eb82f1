"""A step of the gated PixelCNN beside one by hand, and samples drawn from caches beside those of the whole network."""

from __future__ import annotations

import torch
import training
from measure import Section, Spread, interleave, ratios, verdict
from subjects import SHAPE, digits
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, pad, relu
from training import AGAIN, HAND, LR, RECORDED, Work, by_fit, counted

import pyrogen
from pyrogen.nets.causal import Causal

WIDTH, LAYERS, BATCH = 32, 5, 16
SAMPLES, PLACES = 16, 14  # of the naive walk so many of 784 places are timed
STEP, FASTER, EQUAL = 1.05, 10.0, 1e-5
NAMES = ("made", "nade", "pixelcnn", "pixelcnn-gated", "pixelrnn")


class Layer(nn.Module):
    """One layer of both stacks, as one would write it for one channel."""

    def __init__(self, inputs: int, width: int, reach: int, first: bool) -> None:
        super().__init__()
        self.first, self.reach = first, reach
        self.down = nn.Conv2d(inputs, 2 * width, (reach + 1, 2 * reach + 1))
        self.link = nn.Conv2d(2 * width, 2 * width, 1)
        self.along = nn.Conv2d(inputs, 2 * width, (1, reach if first else reach + 1))
        self.out = nn.Conv2d(width, width, 1)

    def forward(self, v: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        r = self.reach
        u = self.down(pad(v, (r, r, r, 0)))
        # the first moves its row to the right by one pixel instead of masking it
        row = self.along(pad(h, (r, -1 if self.first else 0)))
        new = self.out(gate(row + self.link(u)))
        return gate(u), new if self.first else h + new


class Hand(nn.Module):
    """The gated PixelCNN of one channel, by hand."""

    def __init__(self) -> None:
        super().__init__()
        sizes = [(1, 3, True), *[(WIDTH, 1, False)] * (LAYERS - 1)]
        self.layers = nn.ModuleList(Layer(inputs, WIDTH, reach, first) for inputs, reach, first in sizes)
        self.hidden, self.out = nn.Conv2d(WIDTH, WIDTH, 1), nn.Conv2d(WIDTH, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        v, h = pad(x, (0, 0, 1, -1)), x
        for layer in self.layers:
            v, h = layer(v, h)
        return self.out(relu(self.hidden(relu(h))))


def gate(h: Tensor) -> Tensor:
    a, b = h.chunk(2, 1)
    return torch.tanh(a) * torch.sigmoid(b)


def train(raw: Tensor, epochs: int) -> None:
    """Epochs over grey values, binarized anew in every batch."""
    net = Hand()
    optimizer = torch.optim.Adam(net.parameters(), lr=LR, fused=True)
    for _ in range(epochs):
        for index in torch.randperm(len(raw)).split(BATCH):
            x = torch.bernoulli(raw[index].float() / 255)
            loss = binary_cross_entropy_with_logits(net(x), x, reduction="sum") / len(x)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


def measure(threads: list[int], quick: bool) -> Section:
    """Steps of training in turns, then a walk through the places of an image, with caches and without."""
    torch.set_num_threads(threads[0])
    rows = [*_steps(quick), *(row for name in NAMES for row in _samples(name, quick))]
    notes = (
        f"Gated PixelCNN of {LAYERS} layers of {WIDTH} channels, 28 × 28, batch {BATCH}, Adam; by hand the same for one "
        "channel, in plain PyTorch. Times of fit begin after its first 20 moves.",
        f"Sampling: {SAMPLES} images at once, each entry at its defaults. Without caches the whole network is asked at each "
        f"place; of {SHAPE.numel()} places {PLACES} in the middle are timed. The largest difference between the parameters "
        "that the two walks say is given beside. Of the convolutional ones the caches are to pay for themselves tenfold.",
    )
    return Section(f"autoregressive, {counted(threads[:1])}", notes, ("", "", "time", "ratio", "bar"), tuple(rows))


def _steps(quick: bool) -> list[tuple[str, ...]]:
    data = digits(640)
    work = Work(
        "a step",
        data,
        BATCH,
        lambda: pyrogen.create("pixelcnn-gated", x_shape=SHAPE, width=WIDTH, layers=LAYERS),
        lambda epochs: lambda: lambda: train(data.train.raw.reshape(-1, *SHAPE), epochs),
        {RECORDED: STEP},
        1,
        2 if quick else 7,
    )
    contestants = {
        HAND: work.hand(work.epochs),
        AGAIN: work.hand(work.epochs),
        RECORDED: lambda: by_fit(work, RECORDED),
    }
    seconds = interleave(contestants, work.rounds, clock=training.CLOCK)
    rows = []
    for name, values in seconds.items():
        ratio = ratios(values, seconds[HAND])
        judged = verdict(ratio.median, work.bars[name]) if name in work.bars else ""
        rows.append(
            (work.name, name, f"{Spread.of(1e3 * v / work.steps for v in values).text(1)} ms", ratio.text(), judged)
        )
    return rows


@torch.no_grad()
def _samples(name: str, quick: bool) -> list[tuple[str, ...]]:
    torch.manual_seed(0)
    model = pyrogen.create(name, x_shape=SHAPE)
    causal = model.net.net
    x = (torch.rand(SAMPLES, *SHAPE) < 0.2).float()
    middle = len(causal.places) // 2

    at = causal.begin(x)
    known = [at(place) for place in causal.places]
    naive = Causal.begin(causal, x)
    asked = causal.places[middle : middle + PLACES]
    apart = max(
        float((known[middle + n] - naive(place)).reshape(SAMPLES, -1).abs().max()) for n, place in enumerate(asked)
    )
    ratio, cached, whole = [], [], []
    for _ in range(2 if quick else 5):
        started = training.CLOCK()
        model.sample(SAMPLES)
        cached.append(training.CLOCK() - started)
        started = training.CLOCK()
        for place in asked:
            naive(place)
        whole.append((training.CLOCK() - started) * len(causal.places) / PLACES)
        ratio.append(whole[-1] / cached[-1])
    spread = Spread.of(ratio)
    judged = f"≤ {EQUAL:g} apart: {'met' if apart <= EQUAL else 'MISSED'} ({apart:.1g})"
    if name.startswith("pixel"):
        judged = f"≥ {FASTER:g} ×: {'met' if spread.median >= FASTER else 'MISSED'}; {judged}"
    of = Spread.of(v / SAMPLES for v in cached)
    return [
        (f"a sample of {name}", "from caches", f"{of.text(3)} s", spread.text(1), judged),
        (f"a sample of {name}", "whole networks", f"{Spread.of(v / SAMPLES for v in whole).text(3)} s", "", ""),
    ]
