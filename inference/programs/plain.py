"""Pairs made of two plain Pyro functions."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import pyro
import torch
from pyro import poutine
from torch import Tensor, nn

from pyrogen.base import Model, Objective, Pair
from pyrogen.inference.programs.behind import asks_for_y, attribute, find_behind, lending, owners
from pyrogen.inference.programs.contexts import evaluating, seeded
from pyrogen.inference.programs.record import PlainFunction
from pyrogen.kinds import PLAIN
from pyrogen.registry import choices, make

TRIED = 10  # data of a trial run
TOGETHER = 1000  # data at once, whose support is looked at


class Program(Pair):
    """A pair made of two plain Pyro functions, called as ``model(x)`` or ``model(x, y)``.

    Its batch plate is the one whose size follows ``x.shape[0]``, whatever its name. Particles are laid along the batch,
    because the functions' own networks may not know of other dimensions. A function is told y if it has a second argument
    without a default, or with None as its default.

    What they learn is found when :meth:`meet` runs them: ``parts`` are the modules that they run, and ``stored`` what Pyro's
    parameter store alone has. From then on they run beside a store of their own, with these entries, which are those of the
    global one too: what is trained here is trained there. A copy has modules and entries of its own, and the functions run
    them while they are called by the copy.
    """

    vectorized = False
    as_they_are = True

    def __init__(self, model: PlainFunction, guide: PlainFunction) -> None:
        super().__init__()
        self.functions = model, guide
        self.asks = tuple(asks_for_y(f) for f in self.functions)
        self.kinds = (*PLAIN, *(kind for kind in choices("kind") if kind not in PLAIN))  # what x is the functions say
        self.home: tuple[Program, ...] = ()  # whose modules the functions run, of a copy; no module of this one
        self.parts = nn.ModuleDict(owners(self.functions))
        self.stored = nn.ParameterDict()
        self.names: dict[str, str] = {}  # in the store
        self.constraints: dict[str, Any] = {}
        self.asked: frozenset[str] | None = None  # None: nothing is known of what they learn

    @cached_property
    def objective(self) -> Objective:  # type: ignore[override]
        """The ELBO."""
        found: Objective = make("objective", "ELBO")
        return found

    @property
    def is_told(self) -> bool:
        """Whether one of the functions cannot do without y."""
        return "must" in self.asks

    def model(self, x: Tensor, y: Tensor | None = None) -> None:
        """The function that was given."""
        self._run(0, x, y)

    def guide(self, x: Tensor, y: Tensor | None = None) -> None:
        """The function that was given."""
        self._run(1, x, y)

    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        """Not from here: what a plain function observes has a shape that only its data know.

        Raises:
            ValueError: always.
        """
        raise ValueError(
            "a plain (model, guide) tuple is sampled by pyro.infer.Predictive, with an x of the right shape."
        )

    def check(self, x: Tensor, y: Tensor | None = None) -> None:
        """Refuse what is no data at all, and once it has met data, what the functions cannot score.

        Shapes, and what they mask, are the functions' own business.

        Raises:
            ValueError: no data, no y where a function takes it, or data outside the support, say.
        """
        from pyrogen.inference.programs.checks import tried  # which knows this class

        if not isinstance(x, Tensor) or x.dim() == 0 or x.shape[0] == 0:
            raise ValueError("expected a tensor of data with at least one row.")
        self._need_y(y)
        if self.asked is None:
            return
        with evaluating(self), seeded(0, self.device):
            for rows in torch.arange(len(x)).split(TOGETHER):
                tried(self, x[rows].to(self.device), None if y is None else y[rows].to(self.device))

    def meet(self, x: Tensor, y: Tensor | None = None) -> None:
        """Find what the functions learn, by running them on some data, and refuse what cannot be trained datum by datum.

        Raises:
            ValueError: as :func:`~pyrogen.inference.programs.checks.check_programs`; sites that are scaled; or what learns is
                in no module, nor in Pyro's store.
        """
        from pyrogen.inference.programs.checks import check_programs, tried

        self._need_y(y)
        self.to(x.device)
        head, told = x[:TRIED], None if y is None else y[:TRIED]
        if self.asked is None:
            with torch.enable_grad(), seeded(0, x.device):
                found = find_behind(
                    self.functions, lambda: [s for sites in tried(self, head, told) for s in sites.values()], x.device
                )
            self.parts = nn.ModuleDict(dict(found.parts))
            self.stored, self.constraints = nn.ParameterDict(), dict(found.constraints)
            self.names = {attribute(name, nn.ParameterDict): name for name in found.stored}
            for here, name in self.names.items():
                tensor = found.stored[name]
                self.stored[here] = tensor if isinstance(tensor, nn.Parameter) else nn.Parameter(tensor.detach())
            pyro.get_param_store().set_state(self._entries())
            self.asked = found.asked
            self.to(x.device)
        self.x_shape = x.shape[1:]
        with evaluating(self), seeded(0, x.device):
            checked = check_programs(self, head, told)
            guided, _ = tried(self, head, told)
        self.plate = checked.plate
        if odd := [name for name, site in guided.items() if site["is_observed"]]:
            raise ValueError(
                f"the guide observes {odd[0]!r}, as pyro.factor does too, which is part of no log q(z|x) and would be left "
                "out of the loss; put it in the model."
            )
        for name, site in {**checked.drawn, **checked.scored}.items():
            if not bool(torch.as_tensor(site["scale"] == 1).all()):
                raise ValueError(
                    f"the site {name!r} is scaled (by poutine.scale, say); what is weighed in a loss its objective says, as "
                    "ELBO(beta=..., warmup=...) does: leave the scale out."
                )

    def __deepcopy__(self, memo: dict[int, Any]) -> Program:
        """A copy with weights of its own, and the same functions, of which there can be no copy."""
        copied = Program(*self.functions)
        memo[id(self)] = copied
        own = {k: v for k, v in self.__dict__.items() if k not in ("functions", "home")}
        copied.__dict__.update(copy.deepcopy(own, memo))
        copied.home = self.home or (self,)
        return copied

    def _run(self, which: int, x: Tensor, y: Tensor | None) -> None:
        self._need_y(y)
        function = self.functions[which]
        with self._placed():
            function(x) if y is None or self.asks[which] == "no" else function(x, y)

    def _need_y(self, y: Tensor | None) -> None:
        if self.is_told and y is None:
            raise ValueError("the program takes (x, y), and got no y: pass y beside x, or data that have it.")

    @contextmanager
    def _placed(self) -> Iterator[None]:
        """What the functions run, and find in Pyro's store, is this program's own."""
        home = self.home[0].parts if self.home else None
        if self.asked is None:
            with lending(home, self.parts):
                yield
            return
        store = pyro.get_param_store()
        with lending(home, self.parts), store.scope(self._entries()), warnings.catch_warnings():
            # pyro.module says so of what stands still, as players do who do not move
            warnings.filterwarnings("ignore", ".*not registered in the param store", UserWarning)
            yield
            if late := [name for name in store if name not in self.asked]:
                raise ValueError(
                    f"the program asks for the parameter {late[0]!r}, and did not when it was looked at what it learns, so "
                    "that it would never move; ask for it in every run, or put it in an nn.Module."
                )

    def _entries(self) -> Any:
        return {
            "params": {name: self.stored[here] for here, name in self.names.items()},
            "constraints": self.constraints,
        }


def without_guide(pair: Pair) -> Program:
    """The same model beside its own latents in place of the guide, which is neither run nor needed."""

    def prior(x: Tensor, y: Tensor | None = None) -> None:
        with poutine.block(hide_fn=lambda site: site["type"] == "sample" and site["is_observed"]):
            pair.model(x, y)

    return Program(pair.model, prior)


def as_model(model: Model | tuple[PlainFunction, PlainFunction]) -> Model:
    """A model as it is, and a tuple of plain Pyro functions as a pair.

    Raises:
        ValueError: it is neither.
    """
    return model if isinstance(model, Model) else as_pair(model)


def as_pair(pair: Model | tuple[PlainFunction, PlainFunction]) -> Pair:
    """A pair, from a pair or a tuple ``(model, guide)`` of plain Pyro functions.

    Raises:
        ValueError: it is neither.
    """
    if isinstance(pair, Pair):
        return pair
    if isinstance(pair, tuple) and len(pair) == 2 and all(callable(f) for f in pair):
        return Program(*pair)
    raise ValueError(
        f"expected a latent-variable model of the zoo or a tuple (model, guide) of Pyro functions; got {type(pair).__name__}."
    )
