"""What a report shows of models of music: piano rolls, and what a step costs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from pyrogen.base import HasLogProb, Pair
from pyrogen.data import Data
from pyrogen.data.split import evenly
from pyrogen.data.tunes import HasForm
from pyrogen.figures import music_plots
from pyrogen.inference.evidence.estimator import log_evidence
from pyrogen.inference.latents.measured import mean, ratio
from pyrogen.inference.latents.music import density_vector, notes_right
from pyrogen.inference.latents.walks import decoded, interpolate
from pyrogen.inference.objectives.importance import IWAE
from pyrogen.inference.pages.panel import DECODED, DENSITY, LATENTS, SAMPLES, History, Panel, told_of
from pyrogen.pitches import BAR, HasPitches, density
from pyrogen.registry import make

SHOWN, LINES, STEPS, JUDGED, SCORED = 5, 2, 5, 200, 50
DENSER = (-0.125, 0.0, 0.125, 0.25)  # notes a step


def pieces(model: Any, data: Data, history: History) -> Iterator[Panel]:
    """What the model composes, beside test data."""
    pitches = _pitches(data)
    if pitches is None:
        return
    part = data.test.spread(JUDGED)
    drawn = model.sample(len(part), model.condition_for(part.y))
    made = pitches.sound(drawn.cpu())
    true = pitches.sound(part.x.cpu())
    notes = [mean(density(x) * x.shape[-1]) for x in (made, true)]
    caption = (
        f"Pieces of the model, and test data; a colour a voice, lines at bars and at C. {len(part)} of either have "
        f"{notes[0]} and {notes[1]} notes."
    )
    if isinstance(data.law, HasForm):
        formed = float(data.law.keeps_form(drawn).double().mean())
        caption += f" Of the model's pieces {formed:.1%} have the form that the data have."
    few = evenly(len(part), SHOWN)
    named = [(("the model", x), ("test data", t)) for x, t in zip(made[few], true[few], strict=True)]
    yield Panel(SAMPLES, caption, "pieces", music_plots.rolls([piece for row in named for piece in row]))


def alone(model: Any) -> Iterator[Panel]:
    """What the model composes, where its data are not to be had."""
    known = (model.origin or {}).get("arguments", {}).get("vocabulary")
    pitches = None if known is None else make("vocabulary", known)
    if isinstance(pitches, HasPitches):
        made = pitches.sound(model.sample(2 * SHOWN).cpu())
        yield Panel(SAMPLES, "Pieces of the model.", "pieces", music_plots.rolls([("", piece) for piece in made]))


def played_again(model: Any, data: Data, history: History) -> Iterator[Panel]:
    """Pieces, and what is most probable at their codes."""
    pitches = _pitches(data)
    if pitches is None:
        return
    part = data.test.spread(JUDGED)
    true, again = pitches.sound(part.x.cpu()), pitches.sound(model.reconstruct(part.x, part.y).cpu())
    kept = ratio(*notes_right(true, again))
    caption = (
        f"Test data, and what is most probable at their codes, step after step. Of the notes of {len(part)} a share "
        f"of {kept} comes back."
    )
    few = evenly(len(part), SHOWN)
    named = [(("test data", t), ("at its code", x)) for x, t in zip(again[few], true[few], strict=True)]
    yield Panel(DECODED, caption, "played-again", music_plots.rolls([piece for row in named for piece in row]))


def played_between(model: Any, data: Data, history: History) -> Iterator[Panel]:
    """What is played on the straight line between the codes of two pieces."""
    pitches, part = _pitches(data), data.test.spread(2 * LINES)
    if pitches is None or len(part) < 2 * LINES:
        return
    first, second, y = part.x[:LINES], part.x[LINES:], told_of(model, part)
    walked = interpolate(model, first, second, steps=STEPS, y=None if y is None else (y[:LINES], y[LINES:]))
    framed = pitches.sound(torch.cat([first.unsqueeze(1), walked, second.unsqueeze(1)], 1).cpu())
    titles = ["from", *(f"{k / (STEPS - 1):g}" for k in range(STEPS)), "to"]
    shown = [(title, framed[k, i]) for i, title in enumerate(titles) for k in range(LINES)]
    caption = "Most probable pieces on the straight line between the codes of two test data, downwards; two lines."
    yield Panel(LATENTS, caption, "played-between", music_plots.rolls(shown, columns=LINES))


def made_denser(model: Any, data: Data, history: History) -> Iterator[Panel]:
    """What is played at codes that are moved along the direction of note density."""
    pitches = _pitches(data)
    if pitches is None or model.condition is not None:
        return
    learned, part = data.train.spread(2000), data.test.spread(JUDGED)
    learned = learned.to(model.device)
    v = density_vector(model, learned, pitches).mean
    codes = model.code(part.x)
    moved = [codes + (by * v).to(codes) for by in DENSER]
    made = [pitches.sound(decoded(model, z).cpu()) for z in moved]
    counted = ", ".join(f"{by:+g}: {mean(density(x))}".replace("-", "−") for by, x in zip(DENSER, made, strict=True))
    caption = (
        f"Codes of test data with so many notes a step asked for more, along the way from those that "
        f"have few to those that have many. Notes that begin at a step, of {len(part)} pieces, {counted}."
    )
    shown = [(f"{by:+g}".replace("-", "−"), x[k]) for by, x in zip(DENSER, made, strict=True) for k in range(LINES)]
    yield Panel(LATENTS, caption, "made-denser", music_plots.rolls(shown, columns=LINES))


def cost_of_steps(model: Any, data: Data, history: History) -> Iterator[Panel]:
    """The nats of a step and of a bar."""
    exact = isinstance(model, HasLogProb)
    if _pitches(data) is None or not (exact or isinstance(model, Pair)):
        return
    part, length = data.test.spread(SCORED), data.x_shape[-1]
    nats = -log_evidence(model, part, None if exact else IWAE(20))["log_evidence"].values
    cost = mean(torch.from_numpy(nats) / length)
    bar = mean(torch.from_numpy(nats) * BAR / length)
    how = "exactly" if exact else "at most, by IWAE of 20 draws"
    yield Panel(DENSITY, f"A step of {len(part)} test data costs {how} {cost} nats, a bar of {BAR} steps {bar} nats.")


def _pitches(data: Data) -> HasPitches | None:
    return data.vocabulary if isinstance(data.vocabulary, HasPitches) else None
