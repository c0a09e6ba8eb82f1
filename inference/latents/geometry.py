"""The geometry that a decoder gives to its latents: how far apart what it makes is, and the shortest ways in between.

The decoder is read as an embedding f of latents: the mean of p(x|z), and its standard deviation where that is a parameter of
its own, side by side. Lengths in z are lengths of what is made.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import torch
from pyro.distributions import constraints
from torch import Tensor
from torch.autograd import grad

from pyrogen.base import HasLatents, HasPosterior, Model
from pyrogen.inference.latents.measured import Measured
from pyrogen.inference.latents.walks import decoded
from pyrogen.inference.programs.contexts import evaluating, standing_still
from pyrogen.inference.programs.door import verb
from pyrogen.inference.programs.supports import unwrap

NEIGHBOURS = 10
MOST = 1000  # codes that a way is searched among
FLOOR = 1e-3  # of the density of codes, beside that at a typical code: where nothing is


class Surface:
    """The embedding f(z) = [μ(z), σ(z), h(z)], ``(..., D)`` for z of shape ``(..., L)``, all at one condition.

    σ is the standard deviation of p(x|z) where x is any real number, so that it is no function of μ. h is what a decoder does
    not know of itself: networks extrapolate as if they had seen data everywhere. Given ``codes``, it grows where these are
    not, h(z) = s / √(ρ(z) + ε), with ρ their kernel density, 1 at a typical code, and s the spread of what they decode to:
    crossing a hole is then as long as crossing all data.

    Reference: Arvanitidis, Hansen & Hauberg 2018, Latent space oddity, arXiv:1710.11379; their σ, of a network of radial
    functions, takes the place of h.

    Args:
        model: what decodes, or generates.
        codes: of data, ``(N, L)``, where shortest ways are to stay near them; None: h is left out.
        width: of the kernel; by default the median distance of codes to their tenth nearest.
        y: one condition of all, ``y_shape``.

    Raises:
        ValueError: the model has no latents, or too few codes.
    """

    def __init__(
        self, model: Model, codes: Tensor | None = None, width: float | None = None, y: Tensor | None = None
    ) -> None:
        if not isinstance(model, HasLatents):
            raise ValueError(
                f"{type(model).__name__} has no latents, whose geometry is asked for; take a model that decodes."
            )
        self.model, self.y, self.shape = model, y, model.latent_shape
        self.codes, self.width, self.typical, self.spread = codes, width, 1.0, 0.0
        if codes is None:
            return
        if codes.dim() != 2 or len(codes) < 3:
            raise ValueError(
                f"holes are where no codes are, which takes 3 codes (N, L) or more; got {tuple(codes.shape)}."
            )
        apart = torch.cdist(codes.double(), codes.double()).topk(min(NEIGHBOURS + 1, len(codes)), largest=False).values
        self.width = float(apart[:, -1].median()) if width is None else width
        if not self.width > 0:
            raise ValueError(
                f"width={self.width}: codes lie upon each other, or no width is left; pass width= above 0."
            )
        self.typical = float(self._kernel(codes).median())
        with evaluating(model):
            made = self._decoded(codes)
            self.spread = float((made - made.mean(0)).square().sum(-1).mean().sqrt())

    def __call__(self, z: Tensor) -> Tensor:
        """f(z)."""
        made = self._decoded(z)
        if self.codes is None:
            return made
        hole = self.spread / (self._kernel(z) / self.typical + FLOOR).sqrt()
        return torch.cat([made, hole.unsqueeze(-1).to(made.dtype)], -1)

    def _decoded(self, z: Tensor) -> Tensor:
        flat, rows = z.shape[:-1], z.unflatten(-1, self.shape)
        if not isinstance(self.model, HasPosterior):
            return decoded(self.model, rows, self.y).reshape(*flat, -1)
        p = self.model.decode(rows, self.y)
        mean = p.mean.reshape(*flat, -1)
        own = unwrap(p).support is constraints.real
        return torch.cat([mean, p.stddev.reshape(*flat, -1)], -1) if own else mean

    def _kernel(self, z: Tensor) -> Tensor:
        assert self.codes is not None
        assert self.width is not None
        squared = (z.unsqueeze(-2) - self.codes).square().sum(-1)
        return torch.exp(-squared / (2 * self.width**2)).mean(-1)


class Way(NamedTuple):
    """A curve between two latents.

    Attributes:
        z: its places, ``(segments + 1, L)``.
        length: of what is decoded along it, with the error that is left by so many segments.
        straight: the same of the straight line.
    """

    z: Tensor
    length: Measured
    straight: Measured


def metric(surface: Surface, z: Tensor) -> Tensor:
    """The pull-back metric G(z) = JᵀJ, J = ∂f/∂z: ``(..., L, L)`` in float64 for z of shape ``(..., L)``.

    J is exact. Where f has means and standard deviations, G is
    E[J_xᵀ J_x] of x = μ(z) + σ(z) ε at one ε ~ N(0, I).

    Reference: Tosi et al. 2014, arXiv:1411.7432; Arvanitidis et al. 2018, equation 6.
    """
    with _still(surface.model), torch.enable_grad():
        z = z.detach().requires_grad_()
        f = surface(z)
        # Jᵀu is linear in u, and its derivative along e_i the column J e_i
        u = torch.zeros_like(f, requires_grad=True)
        (pulled,) = grad(f, z, u, create_graph=True)
        columns = [grad(pulled[..., i].sum(), u, retain_graph=True)[0] for i in range(z.shape[-1])]
    jacobian = torch.stack(columns, -1).double()
    return jacobian.mT @ jacobian


def magnification(surface: Surface, z: Tensor) -> Tensor:
    """√det G(z), by how much a small volume of latents grows when it is decoded: ``(...)``.

    Reference: Bishop, Svensén & Williams 1997, Magnification factors for the GTM algorithm.
    """
    return torch.linalg.det(metric(surface, z)).clamp_min(0).sqrt()


def length_of(surface: Surface, z: Tensor) -> Measured:
    """The length of what is decoded along places of a curve, ``(T + 1, L)`` with T even.

    Chords of T segments, and of every second place, differ by three times the former's error; the value is so corrected, and
    the correction is the error.

    Raises:
        ValueError: T is odd or 0.
    """
    _check_even(len(z) - 1)
    with _still(surface.model):
        f = surface(z).double()
    fine, coarse = (float((f[step::step] - f[:-step:step]).norm(dim=-1).sum()) for step in (1, 2))
    correction = (fine - coarse) / 3
    return Measured(fine + correction, abs(correction), len(z) - 1)


@verb
def geodesic(surface: Surface, a: Tensor, b: Tensor, segments: int = 32, iterations: int = 200) -> Way:
    """The shortest way between two latents ``(L,)``: places z_t that minimize the energy T/2 Σₜ ‖f(z_{t+1}) − f(z_t)‖².

    Of such ways the least is an evenly spaced geodesic. It descends by L-BFGS from the straight line and, where the surface
    knows codes, from the shortest path along neighbouring codes too, since ways around a hole on either side are both
    shortest among their neighbours; what has the less energy is returned.

    Reference: Shao, Kumar & Fletcher 2018, The Riemannian geometry of deep generative models, arXiv:1711.08014.

    Args:
        surface: what is decoded.
        a: where it starts.
        b: where it ends.
        segments: T, even.
        iterations: of the descent, at most.

    Raises:
        ValueError: T is odd or 0.
    """
    _check_even(segments)
    t = torch.linspace(0, 1, segments + 1, dtype=a.dtype, device=a.device).unsqueeze(1)
    line = torch.lerp(a, b, t)
    starts = [line] if surface.codes is None else [line, _along_codes(surface, a, b, segments)]
    with _still(surface.model):
        found = [_descend(surface, line, start, iterations) for start in starts]
    z = min(found, key=lambda way: way[1])[0]
    return Way(z, length_of(surface, z), length_of(surface, line))


def _check_even(segments: int) -> None:
    if segments < 2 or segments % 2:
        raise ValueError(f"a length is measured by an even number of segments, 2 or more, and these are {segments}.")


def _descend(surface: Surface, line: Tensor, start: Tensor, iterations: int) -> tuple[Tensor, float]:
    """The curve of least energy from a start, and its energy.

    It moves by weights of sines, each divided by its frequency: so the energy of a flat surface is a round bowl.
    """
    segments = len(line) - 1
    k = torch.arange(1, segments, dtype=line.dtype, device=line.device)
    t = torch.arange(1, segments, dtype=line.dtype, device=line.device).unsqueeze(1) / segments
    sines = (math.pi * t * k).sin() / k
    weights = torch.linalg.solve(sines, (start - line)[1:-1]).contiguous().requires_grad_()

    def curve() -> Tensor:
        return torch.cat([line[:1], line[1:-1] + sines @ weights, line[-1:]])

    def energy() -> Tensor:
        return segments / 2 * surface(curve()).diff(dim=0).double().square().sum()

    optimizer = torch.optim.LBFGS([weights], max_iter=iterations, history_size=20, line_search_fn="strong_wolfe")

    def step() -> Tensor:
        optimizer.zero_grad()
        total = energy()
        total.backward()
        return total

    with torch.enable_grad():
        optimizer.step(step)
        return curve().detach(), float(energy().detach())


def _along_codes(surface: Surface, a: Tensor, b: Tensor, segments: int) -> Tensor:
    """The shortest path from neighbour to neighbour among the ends and the codes, cut into even segments in z."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import dijkstra

    assert surface.codes is not None
    z = torch.cat([a.unsqueeze(0), b.unsqueeze(0), surface.codes[:MOST]])
    count = min(NEIGHBOURS, len(z) - 1)
    near = torch.cdist(z, z).fill_diagonal_(torch.inf).topk(count, largest=False).indices
    rows, columns = torch.arange(len(z), device=z.device).repeat_interleave(count), near.flatten()
    with _still(surface.model):
        middle = surface((z[rows] + z[columns]) / 2)
        f = surface(z)
    weight = (f[rows] - middle).norm(dim=-1) + (middle - f[columns]).norm(dim=-1)
    # an edge of no length would be none
    arrays = (v.cpu().numpy() for v in (weight.double().clamp_min(1e-12), rows, columns))
    values, i, j = arrays
    _, before = dijkstra(
        coo_array((values, (i, j)), shape=(len(z), len(z))).tocsr(), False, 0, return_predecessors=True
    )
    if before[1] < 0:  # nothing leads there
        return torch.lerp(a, b, torch.linspace(0, 1, segments + 1, dtype=a.dtype, device=a.device).unsqueeze(1))
    path = [1]
    while path[-1] != 0:
        path.append(int(before[path[-1]]))
    places = z[path[::-1]].cpu().double().numpy()
    done = np.concatenate([[0.0], np.linalg.norm(np.diff(places, axis=0), axis=1).cumsum()])
    even = np.linspace(0, done[-1], segments + 1)
    return torch.from_numpy(np.stack([np.interp(even, done, c) for c in places.T], 1)).to(a)


@contextmanager
def _still(model: Model) -> Iterator[None]:
    """The decoder as it is at test time, with gradients into z alone."""
    with evaluating(model), standing_still(model.parameters()):
        yield
