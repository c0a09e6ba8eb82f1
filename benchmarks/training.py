"""What a training step costs by fit, eager and recorded, by hand, by stock SVI and by other libraries."""

from __future__ import annotations

import contextlib
import io
import logging
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import hand
import pyro
import rivals
import torch
from measure import Prepare, Seconds, Section, Spread, interleave, ratios, verdict
from profiled import Profiler
from subjects import SHAPE, digits
from torch import Tensor

import pyrogen
from pyrogen.base import Model, Pair
from pyrogen.data import Data, load
from pyrogen.inference import fit
from pyrogen.inference.replay import recorded_step
from pyrogen.inference.training.game import Game

LR = 1e-3
HAND, AGAIN, SVI = "by hand", "by hand again (A/A)", "pyro SVI"
EAGER, RECORDED, COMPILED = "fit, eager", "fit, recorded", "fit, compiled by Inductor"
MODES: Mapping[str, bool | str] = {EAGER: False, RECORDED: "auto", COMPILED: True}
BEFORE = 20  # moves of a fit before the clock starts: the recording and its first checks are in them
CLOCK = time.perf_counter
SWEEP, RUN_STEPS = 100_000, 46_900  # trainings, and steps of each
FASTER = 5.0  # times as fast as stock SVI, where Python dominates


@dataclass(frozen=True)
class Work:
    """One model on one data set: by the zoo, by hand, and what the quotient of the two may be.

    Attributes:
        hand: from a number of epochs to what trains so long by hand.
        beside: of a mode, how often as long as several others together it may take.
        rounds: of measurement; half as many or fewer in a glance.
        moves: the most that a player makes on one batch.
        before: batches of a fit before the clock starts, in which its steps are recorded and first checked.
        stock: whether a pair is trained by stock SVI too.
    """

    name: str
    data: Data
    batch_size: int
    model: Callable[[], Model]
    hand: Callable[[int], Prepare]
    bars: Mapping[str, float]
    epochs: int
    rounds: int
    others: Mapping[str, Prepare] = field(default_factory=dict)
    beside: Sequence[tuple[str, float, tuple[str, ...]]] = ()
    modes: tuple[str, ...] = (EAGER, RECORDED, COMPILED)
    moves: int = 1
    lr: float = LR
    before: int = BEFORE
    stock: bool = True

    @property
    def steps(self) -> int:
        return self.epochs * -(-len(self.data.train) // self.batch_size)

    def contestants(self) -> dict[str, Prepare]:
        found = {HAND: self.hand(self.epochs), AGAIN: self.hand(self.epochs)}
        found |= {mode: lambda mode=mode: by_fit(self, mode) for mode in self.modes}
        if self.stock and isinstance(self.model(), Pair):
            found[SVI] = lambda: by_svi(self)
        return found | self.others


def measure(threads: list[int], quick: bool) -> Section:
    """Models that one player trains."""
    works = [make(quick) for make in WORKS]
    same = [
        f"Same work: from the same weights and seed the VAE's loss in the last of two epochs is {_losses(work)} (nats)."
        for work, make in zip(works, WORKS, strict=True)
        if make is vae
    ]
    notes = (
        "Bernoulli data are binarized anew in each batch.",
        *same,
        f"Apart from these times, the step of the first is {_recording(works[0], COMPILED)}, and of the last "
        f"{_recording(works[-1], COMPILED)}; NumPyro's were compiled before, too.",
        "SVI is stock: Trace_ELBO and pyro.optim.Adam with Pyro's defaults, on the same pair.",
        f"{PRODUCTS} and {DRAWS} are those of its steps alone, by torch.",
        *(f"{name} is not installed (see benchmarks/rivals.py)." for name in RIVALS if not rivals.installed(name)),
    )
    return section("fit", works, threads, notes, sweep)


Rows = Sequence[tuple[str, ...]]


def section(
    title: str,
    works: Sequence[Work],
    threads: Sequence[int],
    notes: Sequence[str],
    paper: Callable[[Work, Rows, int], str] | None = None,
) -> Section:
    """Whole epochs of each, interleaved; with what can be said on paper from those of the first."""
    torch.manual_seed(0)
    table = []
    for work in works:
        for n in threads:
            torch.set_num_threads(n)
            found = rows(work, n)
            # it takes long: whoever has to stop it has seen what was measured
            print(*("  ".join(row) for row in found), sep="\n", flush=True)
            table += found
    said = (
        f"Adam {LR:g} in all. Times of fit begin after its first {works[0].before} moves, in which it records "
        "and checks; at most one check an epoch is in them.",
        *(
            f"{w.name}: {len(w.data.train)} rows of {w.data.name}, batch {w.batch_size}, {w.epochs} epochs."
            for w in works
        ),
        *([paper(works[0], table, threads[0])] if paper else []),
    )
    columns = ("model", "threads", "", "ms a step", "ratio to hand", "bar")
    return Section(f"{title}, {counted(threads)}", (*said, *notes), columns, tuple(table))


def counted(threads: Sequence[int]) -> str:
    """Numbers of threads in words, 1 thread."""
    return f"{' and '.join(map(str, threads))} thread{'s' * (list(threads) != [1])}"


def sweep(work: Work, table: Rows, threads: int) -> str:
    """What a large sweep costs, from the medians of a table, in a sentence."""
    medians = {row[2]: float(row[3].split()[0]) for row in table if row[:2] == (work.name, str(threads))}
    hours = {name: milliseconds * SWEEP * RUN_STEPS / 3.6e6 for name, milliseconds in medians.items()}
    return (
        f"On paper: {SWEEP:,} trainings of the {work.name} for {RUN_STEPS:,} steps each (100 epochs of MNIST) are, in "
        f"thousands of hours of {threads} core{'s' * (threads > 1)}: "
        + ", ".join(f"{name} {hour / 1e3:.1f}" for name, hour in hours.items() if name not in (AGAIN, PRODUCTS, DRAWS))
        + "."
    )


def rows(work: Work, threads: int) -> list[tuple[str, ...]]:
    seconds = interleave(work.contestants(), work.rounds, clock=CLOCK)
    found = []
    for name, values in seconds.items():
        ratio = ratios(values, seconds[HAND])
        judged = [verdict(ratio.median, work.bars[name])] if name in work.bars and name != SVI else []
        if name == work.modes[-1] and SVI in work.bars:
            times = ratios(seconds[SVI], values).median
            judged += [f"≥ {work.bars[SVI]:g} × SVI: {'met' if times >= work.bars[SVI] else 'MISSED'} ({times:.1f})"]
        for mode, bar, others in work.beside:
            if mode == name and all(other in seconds for other in others):
                together = [sum(each) for each in zip(*(seconds[other] for other in others), strict=True)]
                times = ratios(values, together).median
                judged += [f"{verdict(times, bar, ' × ' + ' + '.join(others))} ({times:.2f})"]
        each = Spread.of(1e3 * v / work.steps for v in values)
        found.append((work.name, str(threads), name, each.text(), ratio.text(), "; ".join(judged)))
    return found


def by_fit(work: Work, mode: str, clock: Callable[[], float] | None = None) -> Callable[[], Seconds]:
    """A fit, timed from its ``before``-th move and scaled to all steps."""
    model, moves, started = work.model(), 0, 0.0
    clock, count = clock or CLOCK, Game.count

    def counted(game: Game) -> None:
        nonlocal moves, started
        count(game)
        moves += 1
        if moves == work.before:
            started = clock()

    def go() -> Seconds:
        with _recorded(work), _replaced(Game, "count", counted):
            train(work, model, mode)
        return Seconds((clock() - started) * work.steps / (work.steps - work.before))

    return go


def train(work: Work, model: Model, mode: str, epochs: int | None = None) -> pyrogen.inference.Run:
    return fit(
        model,
        work.data,
        epochs=epochs or work.epochs,
        batch_size=work.batch_size,
        lr=work.lr,
        device="cpu",
        validate=False,
        progress=False,
        compile=MODES[mode],
    )


def where(work: Work) -> str:
    """Where the time of a step goes by fit and by hand, in a sentence."""
    by_both = Profiler(), Profiler()
    by_fit(work, RECORDED, by_both[0])()
    go = work.hand(work.epochs)()
    by_both[1]()
    go()
    by_both[1]()
    return f"Time of operations, {work.name}: by fit, recorded, {by_both[0].says()}; by hand {by_both[1].says()}."


def by_svi(work: Work) -> Callable[[], object]:
    pyro.clear_param_store()
    pair, train = work.model(), work.data.train
    svi = pyro.infer.SVI(pair.model, pair.guide, pyro.optim.Adam({"lr": LR}), pyro.infer.Trace_ELBO())

    def go() -> None:
        for _ in range(work.epochs):
            for index in torch.randperm(len(train)).split(work.batch_size):
                svi.step(train.batch(index).x)

    return go


def by_pythae(raw: Tensor, epochs: int) -> Callable[[], object]:
    """pythae's trainer on the same networks; it is given data that are binary already."""
    from pythae.data.datasets import BaseDataset
    from pythae.trainers import BaseTrainer, BaseTrainerConfig
    from scoring import pythae

    logging.getLogger("pythae").setLevel(logging.ERROR)
    net = hand.HandVAE()
    data = BaseDataset(torch.bernoulli(raw / 255), torch.zeros(len(raw)))
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        config = BaseTrainerConfig(
            output_dir=folder, num_epochs=epochs, learning_rate=LR, per_device_train_batch_size=128, no_cuda=True
        )
        trainer = BaseTrainer(pythae(net.encoder, net.decoder), data, training_config=config)
        trainer.prepare_training()

    def go() -> None:
        with contextlib.redirect_stderr(io.StringIO()):
            for epoch in range(1, epochs + 1):
                trainer.callback_handler.on_epoch_begin(
                    training_config=config, epoch=epoch, train_loader=trainer.train_loader, eval_loader=None
                )
                trainer.train_step(epoch)

    return go


def _jitted(raw: Tensor, epochs: int, scan: bool) -> Callable[[], object]:
    import jitted

    return jitted.trainer(raw.numpy(), epochs, 128, LR, scan=scan)


def products(net: hand.HandVAE, batch_size: int, steps: int) -> Callable[[], object]:
    """The matrix products of so many steps, and nothing else: x Wᵀ, and the gradients of W and, but for the data, of x."""
    made = []
    for part, first in ((net.encoder, True), (net.decoder, False)):
        for layer in part:
            if isinstance(layer, torch.nn.Linear):
                x, out = torch.randn(batch_size, layer.in_features), torch.randn(batch_size, layer.out_features)
                made += [(x, layer.weight.detach().t()), (out.t(), x)]
                made += [] if first else [(out, layer.weight.detach())]
                first = False

    def go() -> None:
        for _ in range(steps):
            for a, b in made:
                torch.mm(a, b)

    return go


def draws(pixels: int, latent_size: int, batch_size: int, steps: int) -> Callable[[], object]:
    """The random numbers of so many steps."""

    def go() -> None:
        for _ in range(steps):
            torch.rand(batch_size, pixels)
            torch.randn(batch_size, latent_size)

    return go


RIVALS = ("pythae", "numpyro")
PRODUCTS, DRAWS = "its matrix products", "its random numbers"
STEP, SCAN = "NumPyro, a jitted step", "NumPyro, an epoch in a scan"


def vae(quick: bool) -> Work:
    data = digits(5120 if quick else 25600)
    raw, epochs = _raw(data).flatten(1), 2

    others: dict[str, Prepare] = {}
    if rivals.installed("pythae"):
        others["pythae's trainer"] = lambda: by_pythae(raw, epochs)
    if rivals.installed("numpyro"):
        others[STEP] = lambda: _jitted(raw, epochs, scan=False)
        others[SCAN] = lambda: _jitted(raw, epochs, scan=True)
    steps = epochs * -(-len(raw) // 128)
    others[PRODUCTS] = lambda: products(hand.HandVAE(), 128, steps)
    others[DRAWS] = lambda: draws(784, 20, 128, steps)
    return Work(
        "VAE 784-400-20",
        data,
        128,
        lambda: pyrogen.create("vae", x_shape=SHAPE),
        _by_hand(lambda: hand.HandVAE(), raw),
        {EAGER: 1.30, RECORDED: 0.95, COMPILED: 0.65},
        epochs,
        3 if quick else 9,
        others,
        ((COMPILED, 0.9, (SCAN,)), (COMPILED, 1.2, (PRODUCTS, DRAWS))),
    )


def wide(quick: bool) -> Work:
    data, hidden = digits(2560 if quick else 12800), (1000, 1000, 1000)
    return Work(
        "VAE 784-1000-1000-1000-20",
        data,
        128,
        lambda: pyrogen.create("vae", x_shape=SHAPE, hidden=hidden),
        _by_hand(lambda: hand.HandVAE(hidden=hidden), _raw(data).flatten(1)),
        {EAGER: 1.10, RECORDED: 1.04, COMPILED: 0.95},
        2,
        2 if quick else 7,
    )


def convolutional(quick: bool) -> Work:
    data = digits(640 if quick else 5760, side=32)
    return Work(
        "convolutional VAE, 32 × 32",
        data,
        64,
        lambda: pyrogen.create("vae-conv", x_shape=(1, 32, 32)),
        _by_hand(lambda: hand.HandConvVAE(), _raw(data), 64),
        {EAGER: 1.10, RECORDED: 1.04, COMPILED: 0.95},
        2,
        2 if quick else 5,
    )


def small(quick: bool) -> Work:
    data = load("digits", binarization="dynamic")
    return Work(
        "VAE 64-64-8",
        data,
        64,
        lambda: pyrogen.create("vae", x_shape=data.x_shape, latent_size=8, hidden=(64,)),
        _by_hand(lambda: hand.HandVAE(64, (64,), 8), _raw(data).flatten(1), 64, int(data.levels or 2) - 1),
        {COMPILED: 0.70, SVI: FASTER},
        10 if quick else 40,
        3 if quick else 9,
    )


def rbm(quick: bool) -> Work:
    data = digits(5120 if quick else 25600)
    return Work(
        "RBM 784-500, CD-1",
        data,
        128,
        lambda: pyrogen.create("rbm", x_shape=SHAPE, hidden=500),
        lambda epochs: lambda: by_function(hand.train_rbm, hand.HandRBM(), _raw(data).flatten(1), epochs, 128, LR),
        {RECORDED: 1.10, COMPILED: 0.95},
        2,
        3 if quick else 9,
    )


WORKS = (vae, wide, convolutional, small, rbm)


def _by_hand(
    net: Callable[[], hand.HandVAE], raw: Tensor, batch_size: int = 128, top: int = 255
) -> Callable[[int], Prepare]:
    return lambda epochs: lambda: by_function(hand.train, net(), raw, epochs, batch_size, LR, top)


def by_function(function: Callable[..., object], *arguments: object) -> Callable[[], object]:
    return lambda: function(*arguments)


def _raw(data: Data) -> Tensor:
    assert isinstance(data.train.raw, Tensor)
    return data.train.raw


def _losses(work: Work) -> str:
    model = work.model()
    net = hand.HandVAE().copy(model)
    run = train(work, model, RECORDED, epochs=2)
    plain = hand.train(net, _raw(work.data).flatten(1), 2, work.batch_size, LR)
    return f"{run.records[-1]['train/loss']:.3f} by fit and {plain:.3f} by hand"


def _recording(work: Work, mode: str) -> str:
    with _recorded(work):
        return train(work, work.model(), mode).steps


def _recorded(work: Work) -> contextlib.AbstractContextManager[None]:
    """Record full batches however short the run is, and the ragged one of each epoch not: what it would be in a long run."""
    return _replaced(recorded_step, "PAYS", work.epochs * work.moves + 1)


@contextlib.contextmanager
def _replaced(owner: object, name: str, value: object):
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)
