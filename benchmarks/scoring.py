"""What an IWAE(5000) score costs, in time and in memory, by log_evidence and by hand."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import hand
import numpy as np
import torch
from measure import Prepare, Section, Spread, interleave, ratios, verdict
from subjects import digits, vae

from pyrogen.data import Data
from pyrogen.inference import IWAE, fit, log_evidence

BAR, MEGABYTES = 1.5, 500.0
HAND, AGAIN, LIBRARY = "by hand", "by hand again (A/A)", "pyrogen log_evidence"
CHUNKS = (25, 50, 100, 200, 400)  # samples decoded at once for each of ten data


class Scores:
    """The contestants, with the same weights and data."""

    def __init__(self, images: int) -> None:
        self.data: Data = digits(6400, images)
        self.model, self.x, self.chunk = vae(), self.data.test.x, 100
        fit(self.model, self.data, epochs=2, batch_size=128, device="cpu", validate=False, progress=False)
        self.net = hand.HandVAE().copy(self.model)

    def score(self, name: str, images: int, samples: int) -> np.ndarray:
        if name == LIBRARY:
            return log_evidence(self.model, self.x[:images], IWAE(samples))["log_evidence"].values
        return hand.iwae(self.net, self.x[:images].flatten(1), samples, samples=self.chunk).numpy()

    def run(self, name: str, images: int, samples: int) -> Prepare:
        return lambda: lambda: self.score(name, images, samples)

    def agreement(self, images: int, samples: int) -> str:
        """How far the two ways are apart, and how far their draws let them be."""
        by_hand = self.score(HAND, images, samples).mean()
        ours = log_evidence(self.model, self.x[:images], IWAE(samples))
        error = float((2 * (ours["mc_se"] ** 2).sum()) ** 0.5) / images
        means = f"{float(ours['log_evidence'].mean()):.2f} nats by log_evidence and {by_hand:.2f} by hand"
        return f"{means}, from other draws; the standard error of the difference is {error:.2f}"

    def tune(self, threads: int) -> None:
        """Choose the chunk that is fastest by hand."""
        seconds = {}
        for self.chunk in CHUNKS:
            times = interleave({HAND: self.run(HAND, 10, 2000)}, 3, threads)[HAND]
            seconds[self.chunk] = min(times)
        self.chunk = min(seconds, key=seconds.__getitem__)


def measure(threads: list[int], quick: bool) -> Section:
    """A few images interleaved for speed; all of them once, in processes of their own, for memory."""
    images, samples, rounds, whole = (10, 1000, 3, 50) if quick else (50, 5000, 7, 1000)
    scores = Scores(whole)
    table, chunks = [], []
    for n in threads:
        torch.set_num_threads(n)
        scores.tune(n)
        chunks.append(f"{10 * scores.chunk} rows with {n} threads")
        seconds = interleave({name: scores.run(name, images, samples) for name in (HAND, AGAIN, LIBRARY)}, rounds, n)
        for name, values in seconds.items():
            speed = Spread.of(images * samples / v / 1e3 for v in values)
            ratio = ratios(values, seconds[HAND])
            judged = verdict(ratio.median, BAR) if name == LIBRARY else ""
            table.append((str(n), name, speed.text(1), ratio.text(), "", judged))
    for name in (HAND, LIBRARY):
        taken, peak = _alone(name, whole, samples, threads[-1], scores.chunk)
        judged = verdict(peak, MEGABYTES, " MB") if name == LIBRARY else ""
        row = (f"{whole * samples / taken / 1e3:.1f}", "", f"{peak:.0f}", judged)
        table.append((str(threads[-1]), f"{name}, {whole} images once ({taken:.0f} s)", *row))
    notes = (
        f"IWAE({samples}) of {scores.data.name} test images, decoder 20-400-784; a row is one sample of one datum, decoded "
        f"and weighed. {images} images interleaved, {rounds} rounds; {whole} images once each in a process of its own, its "
        "peak memory taken above imports, model and data.",
        f"By hand: each block of ten data encoded once, the fastest chunk ({', '.join(chunks)}), float64 log-sum-exp. "
        "log_evidence also returns mc_se, ess, pareto_k and the k-curve.",
        f"Same work: {scores.agreement(images, samples)}.",
    )
    columns = ("threads", "", "1000 rows / s", "ratio to hand", "peak MB", "bar")
    return Section("iwae", notes, columns, tuple(table))


def _alone(name: str, images: int, samples: int, threads: int, chunk: int) -> tuple[float, float]:
    """Seconds and peak megabytes of one whole score."""
    words = [sys.executable, __file__, name, *map(str, (images, samples, threads, chunk))]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    return tuple(json.loads(done.stdout.splitlines()[-1]))


def _resident(reset: bool = False) -> float:
    """Peak resident megabytes; where the system can, since the last reset."""
    status, clear = Path("/proc/self/status"), Path("/proc/self/clear_refs")
    if not status.exists():
        unit = 1e6 if sys.platform == "darwin" else 1e3
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
    if reset:
        clear.write_text("5")
    # not ru_maxrss, which a process inherits from the one that started it
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024 / 1e6


def main(name: str, images: int, samples: int, threads: int, chunk: int) -> None:
    """Score alone, and print seconds and peak memory."""
    torch.set_num_threads(threads)
    scores = Scores(images)
    scores.chunk = chunk
    scores.score(LIBRARY, 1, 25)  # imports that only scores pay for
    before = _resident(reset=True)
    started = time.perf_counter()
    scores.score(name, images, samples)
    print(json.dumps([time.perf_counter() - started, _resident() - before]))


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
