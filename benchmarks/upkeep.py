"""What checkpoints, metrics, progress and validation cost, and how soon a resumed run trains."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from measure import ROOT, Section, Spread, interleave, ratios, verdict

import pyrogen
from pyrogen.data import load
from pyrogen.inference import fit

RESUME = """
import sys, time
import torch
started = time.perf_counter()
import pyrogen
from pyrogen.inference import fit
from pyrogen.inference.training.game import Game
def first_move(game):
    print(time.perf_counter() - started)
    raise SystemExit
Game.move = first_move
torch.manual_seed(0)
fit(pyrogen.create("vae", x_shape=(1, 8, 8)), "digits", epochs=100000, folder=sys.argv[1], resume=True)
"""


def measure(threads: list[int], quick: bool) -> Section:
    import subjects  # sets PYROGEN_DATA

    torch.set_num_threads(1)
    subjects.digits(128)
    data = load("mnist", kind="binary")
    model = pyrogen.create("vae", x_shape=data.x_shape)
    epochs, rounds = (1, 2) if quick else (2, 7)

    def bare():
        return lambda: fit(model, data, epochs=epochs, validate=False, progress=False)

    def kept():
        folder = tempfile.mkdtemp()
        return lambda: fit(model, data, epochs=epochs, folder=folder, progress=True, overwrite=True)

    os.environ["FORCE_COLOR"] = "1"  # the bar is drawn as on a terminal, to nowhere
    with contextlib.redirect_stderr(io.StringIO()):
        seconds = interleave({"bare": bare, "bare again (A/A)": bare, "with everything": kept}, rounds, 1)
    del os.environ["FORCE_COLOR"]
    rows = []
    for name, values in seconds.items():
        ratio = ratios(values, seconds["bare"])
        told = verdict(ratio.median, 1.05) if name.startswith("with") else ""
        rows.append((name, Spread.of(v / epochs for v in values).text(), ratio.text(3), told))
    starts = [_resume() for _ in range(2 if quick else 7)]
    spread = Spread.of(starts)
    rows.append(
        ("resume: from `import torch` done to the first step", spread.text(), "", verdict(spread.median, 3, " s"))
    )
    notes = (f"MNIST, VAE 784-400-20, batch 128, {epochs} epochs a round, {rounds} rounds; seconds an epoch.",)
    return Section("upkeep", notes, ("", "seconds", "ratio to bare", "bar"), tuple(rows))


def _resume() -> float:
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home) / "run"
        begin = f"""
import torch, pyrogen
from pyrogen.inference import fit
torch.manual_seed(0)
fit(pyrogen.create("vae", x_shape=(1, 8, 8)), "digits", epochs=100000, folder={str(folder)!r}, checkpoint_seconds=0.2)
"""
        process = subprocess.Popen([sys.executable, "-c", begin], cwd=ROOT.parent, stderr=subprocess.DEVNULL)
        while not (folder / "checkpoint.safetensors").exists() and process.poll() is None:
            time.sleep(0.05)
        process.kill()
        process.wait()
        command = [sys.executable, "-c", RESUME, str(folder)]
        done = subprocess.run(command, cwd=ROOT.parent, capture_output=True, text=True, check=False)
        return float(done.stdout)
