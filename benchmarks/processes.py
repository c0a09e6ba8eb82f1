"""What a second process is worth: data a second by two, each on a core of its own, against one with half their batch."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable

import torch
from measure import Seconds, Section, Spread, interleave, ratios
from subjects import SHAPE, digits

import pyrogen
from pyrogen.inference import fit
from pyrogen.inference.replay import recorded_step
from pyrogen.inference.training.game import Game

ROWS = 12_800
EACH = 128
HIDDEN = (1000, 1000, 1000)
BAR = 1.6


def measure(threads: list[int], quick: bool) -> Section:
    """The wide VAE by one thread a process."""
    epochs, rounds = (1, 2) if quick else (3, 7)

    def by(n: int) -> Callable[[], Seconds]:
        return lambda: Seconds(by_processes(n, epochs))

    names = {"one process": 1, "one process again (A/A)": 1, "two processes, gloo": 2}
    seconds = interleave({name: lambda n=n: by(n) for name, n in names.items()}, rounds)
    alone = seconds["one process"]
    rows = []
    for name, values in seconds.items():
        times = ratios(alone, values)
        judged = ""
        if names[name] == 2:
            judged = f"≥ {BAR:g} ×: {'met' if times.median >= BAR else 'MISSED'}"
        rate = Spread.of(ROWS * epochs / v / 1000 for v in values)
        rows.append((name, rate.text(), times.text(), judged))
    notes = (
        f"VAE 784-1000-1000-1000-20, {EACH} data a process and step, {ROWS} rows of it, {epochs} epochs; recorded, Adam. One "
        "torch thread a process, each pinned to a core of its own; wall time of whole epochs, after one that does not count.",
    )
    return Section("processes", notes, ("", "1000 rows / s", "so often as fast", "bar"), tuple(rows))


def by_processes(n: int, epochs: int) -> float:
    """Seconds that so many processes need for the epochs."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1])}
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < n:
        raise SystemExit(f"{n} processes were asked for, and {len(cores)} cores may be used.")
    started = []
    for rank in range(n):
        place = {"WORLD_SIZE": str(n), "RANK": str(rank), "LOCAL_RANK": str(rank)} if n > 1 else {}
        command = [sys.executable, __file__, str(n), str(epochs), str(cores[rank])]
        environment = {**os.environ, **address, **place, "OMP_NUM_THREADS": "1"}
        started.append(subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True))
    said = [process.communicate()[0] for process in started]
    if any(process.returncode for process in started):
        raise SystemExit("a process failed; what it said stands above.")
    return max(float(text.split()[-1]) for text in said)


def train(n: int, epochs: int) -> float:
    """Seconds of this process for the epochs after the first."""
    recorded_step.PAYS = epochs + 2  # full batches, and not the ragged one
    data, begun = digits(ROWS), []
    begin = Game.begin_epoch

    def timed(game: Game, generator: torch.Generator) -> None:
        begun.append(time.perf_counter())
        begin(game, generator)

    Game.begin_epoch = timed
    model = pyrogen.create("vae", x_shape=SHAPE, hidden=HIDDEN)
    fit(model, data, epochs=epochs + 1, batch_size=EACH * n, device="cpu", validate=False, progress=False)
    return time.perf_counter() - begun[1]


if __name__ == "__main__":
    os.sched_setaffinity(0, [int(sys.argv[3])])
    print(train(int(sys.argv[1]), int(sys.argv[2])))
