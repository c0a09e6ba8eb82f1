"""What two plain Pyro functions learn: the modules that they run, and the parameters that Pyro's store alone has."""

from __future__ import annotations

import functools
import inspect
import re
import types
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import pyro
import torch
from pyro.poutine.messenger import Messenger
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_pre_hook

from pyrogen.inference.programs.record import PlainFunction, Site

# of what is written there only what it was given is looked at, not what it knows by name
LIBRARIES = ("pyro", "torch", "functools", "contextlib")
LONGEST = 1000  # of a list, what is looked at
OF_A_MODULE = "$$$"  # in the names that pyro.module gives


@dataclass(frozen=True)
class Behind:
    """What was found behind two functions.

    Attributes:
        parts: the modules, by the names that they have where the functions were written.
        stored: unconstrained tensors of Pyro's store that are in none of them, by their names there.
        constraints: of these.
        asked: the names of all parameters that Pyro was asked for.
    """

    parts: Mapping[str, nn.Module]
    stored: Mapping[str, Tensor] = field(default_factory=dict)
    constraints: Mapping[str, Any] = field(default_factory=dict)
    asked: frozenset[str] = frozenset()


def owners(functions: Sequence[PlainFunction]) -> dict[str, nn.Module]:
    """The modules that functions are, or are methods of, each once, by name."""
    found = (getattr(f, "__self__", f) for f in functions)
    return _named((type(m).__name__, m) for m in found if isinstance(m, nn.Module))


def find_behind(functions: Sequence[PlainFunction], run: Callable[[], Iterable[Site]], device: torch.device) -> Behind:
    """What functions learn, found by running them once in evaluation mode, with their modules on a device.

    Modules are those that are called in the run, or, however they are used, those that functions are methods of, have in
    their closures, or know by name.

    Args:
        functions: the two.
        run: runs them, and gives the sites of both.
        device: of the data.

    Raises:
        ValueError: a tensor that learns and is in no module that could be found, nor in Pyro's store.
    """
    owned, known = owners(functions), [pair for f in functions for pair in _around(f)]
    store = pyro.get_param_store()
    with store.scope(store.get_state()), _Asked() as asking, _called(device) as called:
        learnt = {id(t): t for t in _leaves(run())}
        asked, constraints = dict(asking.found), store.get_state()["constraints"]
    met = {id(m) for m in (*owned.values(), *called)}
    used = [(n, m) for n, m in known if id(m) in met or any(id(p) in learnt for p in m.parameters())]
    parts = _named([*owned.items(), *used, *((type(m).__name__, m) for m in called)])
    inside = {id(p) for m in parts.values() for p in m.parameters()}
    stored = {n: t for n, t in asked.items() if id(t) not in inside and (OF_A_MODULE not in n or id(t) in learnt)}
    strange = next((t for i, t in learnt.items() if i not in inside | {id(s) for s in stored.values()}), None)
    if strange is not None:
        raise ValueError(
            f"the program learns a tensor of shape {tuple(strange.shape)} that is in no nn.Module which it runs, nor in "
            "Pyro's parameter store; make it an nn.Parameter of an nn.Module, or a pyro.param, or detach it if it is to stay."
        )
    return Behind(parts, stored, {n: constraints[n] for n in stored}, frozenset(asked))


class _Asked(Messenger):
    """Keeps the unconstrained tensors of all parameters that Pyro is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, Tensor] = {}

    def _pyro_post_param(self, msg: Any) -> None:
        inner = getattr(msg["value"], "unconstrained", None)
        self.found[msg["name"]] = msg["value"] if inner is None else inner()


@contextmanager
def _called(device: torch.device) -> Iterator[list[nn.Module]]:
    """The modules that are called inside, and none within another; they evaluate meanwhile, on a device."""
    found: list[nn.Module] = []
    modes: dict[nn.Module, bool] = {}

    def meet(module: nn.Module, _: Any) -> None:
        if module not in modes:
            modes.update({m: m.training for m in module.modules() if m not in modes})
            found.append(module.to(device).eval())

    handle = register_module_forward_pre_hook(meet)
    try:
        yield found
    finally:
        handle.remove()
        for module, training in modes.items():
            module.training = training


def _leaves(sites: Iterable[Site]) -> Iterator[Tensor]:
    """The tensors to which gradients of densities and draws flow."""
    outputs: list[Tensor] = []
    for site in sites:
        outputs.append(site["value"])
        try:
            outputs.append(site["fn"].log_prob(site["value"]))
        except (NotImplementedError, ValueError):
            continue  # it has none, or none there
    yield from (t for t in outputs if t.requires_grad and t.grad_fn is None)
    nodes: list[Any] = [t.grad_fn for t in outputs]
    seen: set[Any] = {None}
    while nodes:
        node = nodes.pop()
        if node in seen:
            continue
        seen.add(node)
        if (leaf := getattr(node, "variable", None)) is not None:
            yield leaf
        nodes += [following for following, _ in node.next_functions]


def _around(function: PlainFunction) -> Iterator[tuple[str, nn.Module]]:
    """The modules that a function could run, with their names: what it is bound to, closes over, or knows by name."""
    queue: list[tuple[str, Any]] = [("", function)]
    seen: set[int] = set()
    while queue:
        name, thing = queue.pop(0)
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        if isinstance(thing, nn.Module):
            yield name or type(thing).__name__, thing
        elif isinstance(thing, functools.partial):
            queue += [("", thing.func), *(("", a) for a in thing.args), *thing.keywords.items()]
        elif isinstance(thing, types.MethodType):
            queue += [("", thing.__func__), *_attributes(thing.__self__)]
        elif isinstance(thing, types.FunctionType):
            queue += _names_in(thing)
        elif isinstance(thing, Mapping):
            queue += [(str(k), v) for k, v in list(thing.items())[:LONGEST]]
        elif isinstance(thing, (list, tuple)):
            queue += [(name, v) for v in thing[:LONGEST]]
        elif thing is function:
            queue += _attributes(thing)


def _attributes(thing: Any) -> list[tuple[str, Any]]:
    return [("", thing)] if isinstance(thing, nn.Module) else list(getattr(thing, "__dict__", {}).items())


def _names_in(function: types.FunctionType) -> list[tuple[str, Any]]:
    found = [("", w)] if (w := getattr(function, "__wrapped__", None)) is not None else []
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        if cell != types.CellType():  # of what is not yet assigned
            found.append((name, cell.cell_contents))
    if (function.__module__ or "").partition(".")[0] not in LIBRARIES:
        found += [(n, function.__globals__[n]) for n in function.__code__.co_names if n in function.__globals__]
    return found


def _named(found: Iterable[tuple[str, nn.Module]]) -> dict[str, nn.Module]:
    """Modules by names that a ModuleDict takes; none twice, and none within one before it or after it."""
    each: dict[int, tuple[str, nn.Module]] = {}
    for name, module in found:
        each.setdefault(id(module), (name, module))
    within = {id(part) for _, m in each.values() for part in list(m.modules())[1:]}
    named: dict[str, nn.Module] = {}
    for name, module in each.values():
        if id(module) not in within:
            plain = attribute(name, nn.ModuleDict)
            named[next(n for n in (plain, *(f"{plain}_{i}" for i in range(2, len(each) + 2))) if n not in named)] = (
                module
            )
    return named


def attribute(name: str, of: type) -> str:
    """A name as that of an attribute, which a type does not have already."""
    plain = re.sub(r"\W", "_", name) or "_"
    return f"{plain}_" if hasattr(of, plain) else plain


def asks_for_y(function: PlainFunction) -> Literal["no", "may", "must"]:
    """Whether a function takes y beside x: by a second argument, which has to be given, or which is None by default."""
    try:
        signature = inspect.signature(function.forward if isinstance(function, nn.Module) else function)
    except (TypeError, ValueError):
        return "may"
    arguments = signature.parameters.values()
    second = [a for a in arguments if a.kind in (a.POSITIONAL_ONLY, a.POSITIONAL_OR_KEYWORD)][1:2]
    if not second:
        return "may" if any(a.kind == a.VAR_POSITIONAL for a in arguments) else "no"
    if second[0].default is second[0].empty:
        return "must"
    return "may" if second[0].default is None else "no"


@contextmanager
def lending(home: nn.Module | None, parts: nn.Module) -> Iterator[None]:
    """Let modules that functions run, which cannot be copied, be what their copies are inside, tensors, modes and all.

    Args:
        home: holds the modules that are run; None: they are their own.
        parts: holds copies of these.
    """
    pairs = [] if home is None else list(zip(home.modules(), parts.modules(), strict=True))[1:]
    own = [one.__dict__ for one, _ in pairs]
    for one, other in pairs:
        # each child lends by itself
        object.__setattr__(one, "__dict__", {**other.__dict__, "_modules": one._modules})
    try:
        yield
    finally:
        for (one, _), kept in zip(pairs, own, strict=True):
            object.__setattr__(one, "__dict__", kept)
