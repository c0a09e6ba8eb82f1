"""The analysis "walks": where one gets to between latents, along lines and along arcs, and how long latents are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from pyrogen.base import HasLatents, HasPosterior, Model
from pyrogen.data import Data
from pyrogen.figures import plots, walk_plots
from pyrogen.figures.shades import shades_of
from pyrogen.inference.latents.analysis import Analysis, Finding, Picture, Verdict
from pyrogen.inference.latents.geometry import Surface, geodesic, magnification
from pyrogen.inference.latents.measured import mean
from pyrogen.inference.latents.paths import lerp, slerp
from pyrogen.inference.latents.shell import shell
from pyrogen.inference.latents.walks import choose, codes_of, corners, draw_latents, interpolate, traverse_plane
from pyrogen.inference.programs.contexts import evaluating
from pyrogen.kinds import is_picture
from pyrogen.registry import choice

ENDS, STEPS, SIDE = 3, 8, 6
COUNTED, SEEN, ITERATIONS = 500, 40, 60
ASTRAY = 3.0  # widths of the shell that a line may lead inside of it


@choice("analysis", "walks")
class Walks(Analysis):
    """Walks between data, or between draws of the prior where nothing encodes: lines, arcs, a square, a plane of two latents.

    Args:
        pair: the classes, or without labels the places in the test split, of the data at the two ends; None: the first data.
        steps: places on each walk.
    """

    title = "What lies between data?"
    order = 45

    def __init__(self, pair: Sequence[int] | None = None, steps: int = STEPS) -> None:
        self.pair, self.steps = pair, steps

    def refusal(self, model: Model, data: Data) -> str:
        """Models without latents have nowhere to walk, and what has no picture of a datum is not shown."""
        if not isinstance(model, HasLatents):
            return f"{type(model).__name__} has no latents to walk through."
        if not (is_picture(data.x_shape) or data.x_shape.numel() == 2):
            return f"walks are shown as pictures or in the plane, and data of {data.name!r} are {tuple(data.x_shape)}."
        if len(data.test) < 2 * ENDS:
            return f"walks lead between {2 * ENDS} test data, and {data.name!r} has {len(data.test)}."
        return ""

    def run(self, model: Model, data: Data, seed: int = 0) -> Finding:
        """Walk, and measure how far lines lead inside of where latents are."""
        x, y = self._ends(model, data, seed)
        norms = _norms(model, data, seed)
        pictures = [*_pictures(model, data, x, y, self.steps), _lengths(norms)]
        pictures += _ground(model, data, y)
        lengths = {k: mean(v) for k, v in norms.items()}
        size = codes_of(model, x[:1], None if y is None else y[:1]).numel()
        own = own_latents(model)
        width = float(norms[own].std())
        depth = (lengths[own].value - lengths["line's middle"].value) / width if width else 0.0
        verdict: Verdict = "beware" if depth > ASTRAY else "well"
        said = ", ".join(f"{name} {m}" for name, m in lengths.items())
        known = shell(size)
        return Finding(
            f"Mean lengths of latents: {said}; the middle of a straight line lies {depth:.1f} widths inside of where "
            f"{own} lie. Of N(0, I) in {size} dimensions the length is {known.radius:.2f} ± {known.width:.2f} and the "
            f"line's middle {known.lerp:.2f}, {known.depth:.1f} widths inside.",
            verdict,
            "walk along arcs: `interpolate(model, first, second, path='slerp')`" if verdict == "beware" else "",
            {
                "lengths": {k: m.numbers() for k, m in lengths.items()},
                "depth": depth,
                "shell": known._asdict(),
            },
            pictures,
        )

    def _ends(self, model: Model, data: Data, seed: int) -> tuple[Tensor, Tensor | None]:
        """First and second ends, one after the other: data, or latents, with the conditions of data."""
        places = list(range(2 * ENDS))
        if self.pair is not None:
            start, end = self.pair
            places = choose(data.test, [*[start] * ENDS, *[end] * ENDS])
        x = data.test[places][0].to(model.device)
        with evaluating(model):
            y = model.condition_for(None if data.test.y is None else data.test.y[places], x)
        y = None if y is None else y.to(model.device)
        return x if isinstance(model, HasPosterior) else draw_latents(model, len(places), y, seed), y


def own_latents(model: Model) -> str:
    """What the latents of a model that are at hand are called: codes of data, or, without an encoder, draws of the prior."""
    return "codes" if isinstance(model, HasPosterior) else "draws"


def _norms(model: Model, data: Data, seed: int) -> dict[str, Tensor]:
    """Lengths of codes (of models without an encoder of draws of the prior), and of what lies midway between them."""
    z = _latents(model, data, seed)
    half = len(z) // 2
    t = z.new_tensor(0.5)
    norms = {own_latents(model): z, "line's middle": lerp(z[:half], z[half : 2 * half], t)}
    if z.shape[1] > 1:
        norms["arc's middle"] = slerp(z[:half], z[half : 2 * half], t)
    return {name: v.norm(dim=1).double() for name, v in norms.items()}


def _latents(model: Model, data: Data, seed: int = 0) -> Tensor:
    """Codes of test data, or, without an encoder, draws of the prior, given the y of test data where it looks at one."""
    part = data.test.spread(COUNTED).to(model.device)
    y = model.condition_for(part.y)
    if not isinstance(model, HasPosterior):
        return draw_latents(model, COUNTED if y is None else len(y), y, seed).flatten(1)
    with evaluating(model):
        return codes_of(model, part.x, y).flatten(1)


def _pictures(model: Model, data: Data, x: Tensor, y: Tensor | None, steps: int) -> Iterator[Picture]:
    first, second = x[:ENDS], x[ENDS:]
    given = None if y is None else (y[:ENDS], y[ENDS:])
    size = codes_of(model, x[:1], None if y is None else y[:1]).numel()
    paths = ("lerp", "slerp") if size > 1 else ("lerp",)
    walked = [interpolate(model, first, second, steps, given, path) for path in paths]
    encodes = isinstance(model, HasPosterior)
    between, made = ("the codes of two test data", "Means of p(x|z)") if encodes else ("two draws of the prior", "g(z)")
    if y is not None:
        made += " with the y of the first end"
    if not is_picture(data.x_shape):
        shown = data.test.spread(COUNTED).x
        figure = walk_plots.trails(walked[0].flatten(2), walked[-1].flatten(2), shown)
        yield Picture("walks", f"{made} on straight lines and on arcs between {between}.", figure)
        return
    rows = torch.stack(walked, 1).flatten(0, 1)
    names = [("line", "arc")[i % len(paths)] for i in range(len(rows))]
    within = shades_of(data)
    caption = f"{made} between {between}: on the straight line, and on the arc around the origin."
    yield Picture("walks", caption, plots.strips(rows, data.kind, names, within=within))
    square = corners(model, x[[0, 1, ENDS, ENDS + 1]], SIDE, None if y is None else y[[0, 1, ENDS, ENDS + 1]])
    caption = f"Four latents at the corners, and {made} between them."
    yield Picture("corners", caption, plots.image_grid(square.flatten(0, 1), data.kind, SIDE, within=within))
    if size > 1:
        yield _plane(model, data, x, y)


def _plane(model: Model, data: Data, x: Tensor, y: Tensor | None) -> Picture:
    """The two latents whose codes vary most, moved together."""
    codes = _latents(model, data)
    with evaluating(model):
        start = codes_of(model, x[:1], None if y is None else y[:1])[0]
    i, j = codes.var(0).argsort(descending=True, stable=True)[:2].tolist()
    reach = torch.linspace(-2, 2, SIDE + 1, device=codes.device)
    across, down = (codes[:, k].mean() + codes[:, k].std() * reach for k in (i, j))
    moved = traverse_plane(model, start, (i, j), across, down.flip(0), None if y is None else y[0])
    caption = (
        f"The first latent, with z{i + 1} from left to right and z{j + 1} upwards from −2 to 2 standard deviations of "
        f"all {own_latents(model)}: the two that vary most."
    )
    within = shades_of(data)
    return Picture("plane", caption, plots.image_grid(moved.flatten(0, 1), data.kind, SIDE + 1, within=within))


def _lengths(norms: dict[str, Tensor]) -> Picture:
    caption = "Lengths of latents, and of the middles of straight lines and arcs between them."
    return Picture("lengths", caption, walk_plots.lengths(norms))


def _ground(model: Model, data: Data, y: Tensor | None) -> Iterator[Picture]:
    """Of two latents: how much the decoder stretches their plane, and the shortest way through it."""
    if not isinstance(model, HasPosterior) or model.latent_shape != torch.Size([2]):
        return
    part = data.test.spread(COUNTED).to(model.device)
    with evaluating(model):
        codes = codes_of(model, part.x, model.condition_for(part.y))
    one = None if y is None else y[0]
    low, high = codes.amin(0), codes.amax(0)
    t = torch.linspace(0, 1, SEEN, device=codes.device).unsqueeze(1)
    across, up = (low + (high - low) * t).T
    z = torch.stack(torch.meshgrid(across, up, indexing="xy"), -1)
    stretched = magnification(Surface(model, y=one), z)
    apart = torch.cdist(codes, codes).flatten().argmax()
    a, b = codes[apart // len(codes)], codes[apart % len(codes)]
    ways = {
        "shortest as decoded": geodesic(Surface(model, y=one), a, b, iterations=ITERATIONS).z,
        "shortest near codes": geodesic(Surface(model, codes, y=one), a, b, iterations=ITERATIONS).z,
        "straight": torch.stack([a, b]),
    }
    extent: Any = (*torch.stack([low, high], 1).flatten().tolist(),)
    label = "log₁₀ √det G"
    figure = walk_plots.ground(stretched.clamp_min(1e-12).log10(), extent, label, codes, ways)
    caption = (
        "How much the decoder stretches each place of the plane, and three ways between the two codes that lie "
        "furthest apart: the shortest by what is decoded, the shortest that stays where codes are, and the straight "
        "one."
    )
    yield Picture("ground", caption, figure)
