"""What an IWAE(5000) score costs, in time and in memory, by log_evidence, by hand, by Pyro and by pythae."""

from __future__ import annotations

import ctypes
import json
import logging
import resource
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import hand
import pyro
import pyro.distributions as dist
import rivals
import torch
from measure import Section, Spread, ratios, verdict
from pyro.infer import RenyiELBO
from subjects import SHAPE, digits
from torch import Tensor, nn

import pyrogen
from pyrogen.base import Pair
from pyrogen.inference import IWAE, fit, log_evidence
from pyrogen.inference.replay import often

DECODERS = {"20-400-784": (400,), "20-200-200-784": (200, 200)}
OURS, COMPILED = "pyrogen log_evidence", "pyrogen log_evidence, compiled"
HAND, AGAIN = "by hand", "by hand again (A/A)"
RENYI, RENYI_ONE, PYTHAE = "pyro RenyiELBO, 10 data at once", "pyro RenyiELBO, 1 datum at once", "pythae get_nll"
DECODER, MATMUL = "the decoder alone, no score", "large matmul"
NAMES = (OURS, COMPILED, HAND, AGAIN, RENYI, RENYI_ONE, PYTHAE, DECODER, MATMUL)
FASTER = {HAND: 1 / 1.5, RENYI: 1.7, RENYI_ONE: 1.7, PYTHAE: 3.0}  # times as fast as these at least
OF_MATMUL, MEGABYTES = 0.85, 100.0
SIDE = 2048  # of the large matrices
IMAGES = 80
LONGER = {OURS: 4, COMPILED: 4}  # times as many images: in them it is recorded and compiled, as for a whole test set
MARK = "turn "  # before a contestant's answer, among what libraries print


class Stock(nn.Module):
    """The pair as Pyro's own tutorial would have it, on flat rows."""

    def __init__(self, encoder: nn.Module, decoder: nn.Module) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder

    def model(self, x: Tensor) -> None:
        with pyro.plate("data", len(x)):
            z = pyro.sample("z", dist.Normal(x.new_zeros(len(x), 20), 1.0).to_event(1))
            pyro.sample("x", dist.Bernoulli(logits=self.decoder(z)).to_event(1), obs=x)

    def guide(self, x: Tensor) -> None:
        with pyro.plate("data", len(x)):
            mean, log_variance = self.encoder(x).chunk(2, -1)
            pyro.sample("z", dist.Normal(mean, (log_variance / 2).exp()).to_event(1))

    @torch.no_grad()
    def score(self, x: Tensor, samples: int, at_once: int) -> float:
        """The mean bound over the data; RenyiELBO gives no more than a sum over what it is given at once."""
        with pyro.validation_enabled(False):
            bound = RenyiELBO(alpha=0, num_particles=samples, max_plate_nesting=1, vectorize_particles=True)
            return -sum(bound.loss(self.model, self.guide, some) for some in x.split(at_once)) / len(x)


def plain(net: nn.Module) -> nn.Sequential:
    """The same layers, for rows."""
    return nn.Sequential(*(layer for layer in net if isinstance(layer, (nn.Linear, nn.ReLU))))


def pythae(encoder: nn.Module, decoder: nn.Module) -> nn.Module:
    """The same networks in a model of pythae."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pythae.models import VAE, VAEConfig
        from pythae.models.base.base_utils import ModelOutput
        from pythae.models.nn import BaseDecoder, BaseEncoder

    class Encoder(BaseEncoder):
        def __init__(self) -> None:
            super().__init__()
            self.net = encoder

        def forward(self, x: Tensor) -> ModelOutput:
            mean, log_variance = self.net(x).chunk(2, -1)
            return ModelOutput(embedding=mean, log_covariance=log_variance)

    class Decoder(BaseDecoder):
        def __init__(self) -> None:
            super().__init__()
            self.net = decoder

        def forward(self, z: Tensor) -> ModelOutput:
            return ModelOutput(reconstruction=torch.sigmoid(self.net(z)))

    config = VAEConfig(input_dim=(784,), latent_dim=20, reconstruction_loss="bce")
    return VAE(config, encoder=Encoder(), decoder=Decoder()).eval()


class Scores:
    """The contestants, with the same weights and data; each gives the mean bound over the data, in nats."""

    def __init__(self, decoder: str, images: int) -> None:
        data = digits(6400, images)
        self.x = data.test.x.repeat(max(LONGER.values()), 1, 1, 1)
        torch.manual_seed(0)
        self.model: Pair = pyrogen.create("vae", x_shape=SHAPE, hidden=DECODERS[decoder])
        fit(self.model, data, epochs=2, batch_size=128, device="cpu", validate=False, progress=False)
        self.net = hand.HandVAE()
        self.net.encoder, self.net.decoder = plain(self.model.encoder.net), plain(self.model.decoder.net)
        self.stock = Stock(self.net.encoder, self.net.decoder)
        self.macs = sum(p.numel() for p in self.net.decoder.parameters() if p.dim() == 2)
        self.large = torch.randn(SIDE, SIDE)

    def contestants(self) -> dict[str, Callable[[int, int], float | None]]:
        found: dict[str, Callable[[int, int], float | None]] = {
            OURS: self.ours,
            COMPILED: self.ours,
            HAND: self.by_hand,
            AGAIN: self.by_hand,
            RENYI: partial(self.by_renyi, at_once=10),
            RENYI_ONE: partial(self.by_renyi, at_once=1),
            DECODER: self.decode,
            MATMUL: self.multiply,
        }
        if rivals.installed("pythae"):
            net = pythae(self.net.encoder, self.net.decoder)
            found[PYTHAE] = lambda images, samples: torch.no_grad()(net.get_nll)(self.rows(images), samples)
        return found

    def rows(self, images: int) -> Tensor:
        return self.x[:images].flatten(1)

    def ours(self, images: int, samples: int) -> float:
        return float(log_evidence(self.model, self.x[:images], IWAE(samples))["log_evidence"].mean())

    def by_hand(self, images: int, samples: int) -> float:
        return float(hand.iwae(self.net, self.rows(images), samples).mean())

    def by_renyi(self, images: int, samples: int, at_once: int) -> float:
        return self.stock.score(self.rows(images), samples, at_once)

    @torch.no_grad()
    def decode(self, images: int, samples: int) -> None:
        z = torch.randn(1000, 20)
        for _ in range(images * samples // 1000):
            self.net.decoder(z)

    def multiply(self, images: int, samples: int) -> None:
        """As many operations as decoding takes, in large matrices."""
        for start in range(0, images * samples * self.macs, SIDE**3):
            part = min(images * samples * self.macs - start, SIDE**3)
            self.large[: max(part // SIDE**2, 1)] @ self.large


@dataclass(frozen=True)
class Turn:
    """What a contestant found, in nats, what it took, and the memory that it needed for it."""

    value: float | None
    seconds: float
    megabytes: float


class Contestant:
    """A process of its own, so that no one's memory management is another's; it waits while others have their turn."""

    def __init__(self, name: str, decoder: str, threads: int) -> None:
        words = [sys.executable, __file__, name, decoder, str(threads)]
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def turn(self, images: int, samples: int) -> Turn:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{images} {samples}\n")
        self.process.stdin.flush()
        for line in self.process.stdout:
            if line.startswith(MARK):
                return Turn(*json.loads(line.removeprefix(MARK)))
        raise RuntimeError(f"a contestant ended: {self.process.args}")

    def end(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def measure(threads: list[int], quick: bool) -> Section:
    """A few images in turns for speed; more draws for memory."""
    images, samples, rounds = (10, 1000, 3) if quick else (IMAGES, 5000, 5)
    table: list[tuple[str, ...]] = []
    agreements = []
    for decoder in DECODERS:
        for n in threads:
            names = [name for name in NAMES if name != PYTHAE or rivals.installed("pythae")]
            contestants = {name: Contestant(name, decoder, n) for name in names}
            turns = _rounds(contestants, images, samples, rounds)
            table += _speeds(turns, decoder, n, images * samples)
            longer = (
                [] if decoder != next(iter(DECODERS)) else [(10, 10_000)] if quick else [(20, 50_000), (2, 1_000_000)]
            )
            table += [_memory(contestants[OURS], decoder, n, *plan) for plan in longer]
            for contestant in contestants.values():
                contestant.end()
        means = ", ".join(
            f"{turns[k][0].value:.2f} ({k.split(',')[0]})" for k in (OURS, HAND, RENYI, PYTHAE) if k in turns
        )
        agreements.append(f"{decoder}: {means}")
    notes = (
        f"IWAE({samples}) of test images; a row is one sample of one datum, decoded and weighed. {images} images a round, "
        f"{rounds} rounds; each contestant in a process of its own, in turns.",
        f"Matmul: float32 of {SIDE} × {SIDE} in the same rounds, its rate in rows of as many operations as a decoder takes, "
        "2 for each weight. No score that decodes can be faster than the decoder alone.",
        "By hand: each block of ten data encoded once, 1000 rows at once, float64 log-sum-exp. RenyiELBO: vectorized, on a "
        "stock Pyro program, validation off; it returns one sum over the data that it is given at once. get_nll: pythae's "
        "own, its batch size 100, without gradients. log_evidence also returns errors, ess, k̂, k-curve, jackknife and psis.",
        f"Same work, from other draws, in nats: {'; '.join(agreements)}.",
        f"log_evidence has {LONGER[OURS]} times as many images a turn, the same ones again: it records what it "
        f"weighs with, and compiles it as it does of its own accord from {often.COMPILED:,} blocks of 1,000 rows on; both "
        "are in its time.",
        "MB: peak resident above imports, model and data.",
    )
    columns = ("decoder", "threads", "", "1000 rows / s", "the compiled is so often as fast", "of matmul", "MB", "bar")
    return Section("iwae", notes, columns, tuple(table))


def _rounds(contestants: dict[str, Contestant], images: int, samples: int, rounds: int) -> dict[str, list[Turn]]:
    """One round that does not count, then the others; the order rotates."""
    turns: dict[str, list[Turn]] = {name: [] for name in contestants}
    names = list(contestants)
    for i in range(-1, rounds):
        for name in names[i % len(names) :] + names[: i % len(names)]:
            turn = contestants[name].turn(images * LONGER.get(name, 1), samples)
            if i >= 0:
                turns[name].append(replace(turn, seconds=turn.seconds / LONGER.get(name, 1)))
    return turns


def _speeds(turns: dict[str, list[Turn]], decoder: str, threads: int, rows: int) -> list[tuple[str, ...]]:
    seconds = {name: [turn.seconds for turn in some] for name, some in turns.items()}
    table = []
    for name, values in seconds.items():
        faster, share = ratios(values, seconds[COMPILED]), ratios(seconds[MATMUL], values)
        bar, peak = "", ""
        if name == COMPILED:
            bar = _at_least(share.median, OF_MATMUL, " of matmul")
        elif name in FASTER:
            bar = _at_least(faster.median, FASTER[name], " ×")
        if name not in (DECODER, MATMUL):
            peak = f"{max(turn.megabytes for turn in turns[name]):.0f}"
        speed = Spread.of(rows / v / 1e3 for v in values).text(1)
        table.append((decoder, str(threads), name, speed, faster.text(), share.text(), peak, bar))
    if PYTHAE not in turns:
        table.append((decoder, str(threads), PYTHAE, "not installed", "", "", "", ""))
    return table


def _memory(ours: Contestant, decoder: str, threads: int, images: int, samples: int) -> tuple[str, ...]:
    turn = ours.turn(images, samples)
    title = f"{OURS}, k = {samples:,}, {images} images"
    speed = f"{images * samples / turn.seconds / 1e3:.1f}"
    return (
        decoder,
        str(threads),
        title,
        speed,
        "",
        "",
        f"{turn.megabytes:.0f}",
        verdict(turn.megabytes, MEGABYTES, " MB"),
    )


def _at_least(value: float, bar: float, unit: str) -> str:
    return f"≥ {bar:.2g}{unit}: {'met' if value >= bar else 'MISSED'}"


def _resident(reset: bool = False) -> float:
    """Peak resident megabytes; where the system can, since the last reset."""
    status, clear = Path("/proc/self/status"), Path("/proc/self/clear_refs")
    if not status.exists():
        unit = 1e6 if sys.platform == "darwin" else 1e3
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
    if reset:
        # what training has freed goes back to the system, or the score could take it unseen
        ctypes.CDLL(None).malloc_trim(0)
        clear.write_text("5")
    # not ru_maxrss, which a process inherits from the one that started it
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024 / 1e6


def _timed(run: Callable[[], float | None], clock: Callable[[], float]) -> tuple[float | None, float]:
    started = clock()
    return run(), clock() - started


def main(name: str, decoder: str, threads: int) -> None:
    """Take turns as they are asked for on standard input: images and samples."""
    logging.getLogger("pyro").setLevel(logging.WARNING)
    torch.set_num_threads(threads)
    often.COMPILED = 0 if name == COMPILED else often.COMPILED
    scores = Scores(decoder, IMAGES)
    score = scores.contestants()[name]
    clock = time.process_time if threads == 1 else time.perf_counter
    score(1, 100)  # imports that only scores pay for
    for line in sys.stdin:
        before = _resident(reset=True)
        value, seconds = _timed(partial(score, *map(int, line.split())), clock)
        print(MARK + json.dumps([value, seconds, _resident() - before]), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
