"""Where people go next on the scenes of ETH and UCY, one left out at a time, beside going straight on and published figures.

Every trained model's numbers are kept in ``build/forecasts``, so that an interrupted measurement goes on where it was.
"""

from __future__ import annotations

import json
import os
from typing import Any

import torch
from measure import Section, kept
from subjects import SHARED

import pyrogen
from pyrogen.data import load
from pyrogen.data.trajectory_sets import OF_SCENE
from pyrogen.files import write
from pyrogen.inference import fit
from pyrogen.inference.programs.contexts import seeded
from pyrogen.inference.quality.forecasts import forecasts

PUBLISHED = {  # ADE and FDE in metres: SGAN-20V and, of one guess, constant velocity; see the notes below
    "eth": ((0.71, 1.29), (1.00, 2.23)),
    "hotel": ((0.48, 1.02), (0.32, 0.62)),
    "univ": ((0.56, 1.18), (0.52, 1.17)),
    "zara1": ((0.34, 0.69), (0.43, 0.96)),
    "zara2": ((0.31, 0.64), (0.33, 0.73)),
}
RECIPE = {"lr": 3e-3, "batch_size": 32}
ARGUMENTS = {"net": {"name": "LSTM", "width": 24}, "draws": 8, "weight": 50.0}
SEED, TOUCHING = 0, 0.2


def measure(threads: list[int], quick: bool) -> Section:
    if SHARED.is_dir():
        os.environ.setdefault("PYROGEN_DATA", str(SHARED))
    torch.set_num_threads(1)
    epochs = 0 if quick else int(os.environ.get("PYROGEN_EPOCHS", "3"))
    rows = []
    for scene, ((ade, fde), straight) in PUBLISHED.items():
        known = {"constant velocity": straight}
        for found in _worth(scene, epochs):
            name, shown = found["name"], (found["displacement"], found["final"])
            published = (ade, fde) if name == "social-gan" else known.get(name)
            told, apart = "", ""
            if published:
                told = " / ".join(f"{v:.2f}" for v in published)
                apart = " / ".join(f"{a[0] - b:+.2f}" for a, b in zip(shown, published, strict=True))
            cells = (f"{value:.3f} ± {error:.3f}" for value, error in (*shown, found["collisions"]))
            rows.append((scene, name, str(found["draws"]), *cells, told, apart))
    notes = (
        "8 steps are told, 12 are forecast, .4 s each; the scene named is left out of the training. Windows are those of "
        f"Gupta et al. ({', '.join(OF_SCENE)}: 70, 301, 947, 602, 921); metres. Of several draws the one counts that is best "
        "for all people of its scene together; ± one standard error over windows, which overlap, so that it is too small.",
        f"`social-gan`: width 24, 8 draws in training, {epochs} epochs on one core, seed {SEED} (published: 200 epochs). The "
        f"noise of constant velocity is an angle fitted to validation. Pairs: within {TOUCHING} m on the way, a draw.",
        "Published: SGAN-20V-20 of the model zoo beside the code of Gupta et al. 2018, better than in their paper; constant "
        "velocity: Schöller et al. 2020.",
    )
    columns = ("left out", "forecast", "draws", "ADE", "FDE", "pairs that touch", "published", "distance")
    return Section("forecasts", notes, columns, tuple(rows))


def _worth(scene: str, epochs: int) -> list[dict[str, Any]]:
    """The rows of one scene, of a freshly trained model or as they were kept."""
    file = kept(__file__, f"{scene}-epochs-{epochs}.json")
    if not file.exists():
        data = load(f"eth-ucy(scene={scene!r})")
        with seeded(SEED):
            model = pyrogen.create("social-gan", x_shape=data.x_shape, y_shape=data.y_shape, **ARGUMENTS)
        fit(model, data, epochs=epochs, seed=SEED, validate=False, progress=False, **RECIPE)
        rows = forecasts(model, data, touching=TOUCHING)
        found = [
            {
                "name": "social-gan" if k == 0 else row.name,
                "draws": row.draws,
                **{key: getattr(row, key)[:2] for key in ("displacement", "final", "collisions")},
            }
            for k, row in enumerate(rows)
        ]
        write(file, json.dumps(found, indent=1) + "\n")
    again: list[dict[str, Any]] = json.loads(file.read_text(encoding="utf-8"))
    return again
