"""The house: arrows between its rooms, what an import costs, and what every public name carries."""

import ast
import dataclasses
import doctest
import importlib
import importlib.resources
import inspect
import pkgutil
import re
import shutil
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

import pytest

import pyrogen
from pyrogen import registry
from pyrogen.catalogue import ROOMS, catalogue

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = {"pyrogen": ROOT / "pyrogen", "inference": ROOT / "inference", "models": ROOT / "models"}
UPWARD = {
    "pyrogen": ("pyrogen.inference", "pyrogen.models"),
    "inference": ("pyrogen.models", "pyrogen.command"),
    "models": (),
}
# the rooms inside inference: each imports those before it, none after it
ORDER = (
    "programs",
    "replay",
    "evidence",
    "objectives",
    "latents",
    "quality",
    "adversarial",
    "attacks",
    "theory",
    "training",
    "representations",
    "metrics",
    "runs",
    "pages",
    "sharing",
    "explorer",
    "proofs",
)
DOORS = {"pyrogen/__init__.py", "pyrogen/registry.py", "pyrogen/__main__.py"}
VERBS = "pyrogen/command/verbs/"  # each a door


def imports(source, package):
    """Every module that a source imports, with whether it does so lazily: in a function or for type checkers only."""

    def visit(node, lazy):
        lazy = lazy or isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        if isinstance(node, ast.Import):
            yield from ((alias.name, lazy) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                base = ".".join(
                    [*package.split(".")[: len(package.split(".")) - node.level + 1], *filter(None, [base])]
                )
            yield base, lazy
            yield from ((f"{base}.{alias.name}", lazy) for alias in node.names)
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.value.id == "pyrogen":
                yield f"pyrogen.{node.attr}", lazy
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            for child in node.body:
                yield from visit(child, True)
            for child in node.orelse:
                yield from visit(child, lazy)
            return
        for child in ast.iter_child_nodes(node):
            yield from visit(child, lazy)

    return list(visit(ast.parse(source), False))


def inside(module, rooms):
    return any(module == room or module.startswith(f"{room}.") for room in rooms)


def later_rooms(file):
    """The rooms of inference that come after that of a file."""
    parts = Path(file).parts
    if parts[0] != "inference" or len(parts) < 3:
        return []
    return [f"pyrogen.inference.{room}" for room in ORDER[ORDER.index(parts[1]) + 1 :]]


def test_every_room_of_inference_has_its_place():
    assert sorted(ORDER) == sorted(p.name for p in (ROOT / "inference").iterdir() if (p / "__init__.py").is_file())


def wrong_arrows(source, room, file):
    """The imports that point upward, or at the folders of the checkout instead of the package."""
    package = ".".join([*Path(file).parent.parts])
    door = file in DOORS or file.startswith(VERBS)
    upward = (*UPWARD[room], *later_rooms(file))
    return [
        module
        for module, lazy in imports(source, package)
        if (inside(module, upward) and not (door and lazy)) or inside(module, ("models", "inference"))
    ]


SOURCES = [(room, path) for room, folder in FOLDERS.items() for path in sorted(folder.rglob("*.py"))]


def test_arrows_point_one_way():
    names = {str(path.relative_to(ROOT)): (room, path) for room, path in SOURCES}
    found = {file: wrong_arrows(path.read_text(encoding="utf-8"), room, file) for file, (room, path) in names.items()}
    assert {file: wrong for file, wrong in found.items() if wrong} == {}


@pytest.mark.parametrize(
    ("source", "room", "file", "wrong"),
    [
        ("import pyrogen.models.vae.vae", "pyrogen", "pyrogen/base.py", True),
        ("from pyrogen import inference", "pyrogen", "pyrogen/base.py", True),
        ("from .inference import fit", "pyrogen", "pyrogen/base.py", True),
        ("def f():\n    from pyrogen.models import vae", "pyrogen", "pyrogen/base.py", True),
        ("import pyrogen\ndef f():\n    pyrogen.models.vae.vae", "pyrogen", "pyrogen/base.py", True),
        ("from pyrogen.models import vae", "inference", "inference/training/fit.py", True),
        ("from models import vae", "models", "models/adversarial/gan.py", True),
        ("import inference.fit", "models", "models/adversarial/gan.py", True),
        ("from pyrogen.inference import fit", "pyrogen", "pyrogen/command/verbs/train.py", True),
        ("def f():\n    from pyrogen.inference import fit", "pyrogen", "pyrogen/command/verbs/train.py", False),
        ("if TYPE_CHECKING:\n    from pyrogen import models", "pyrogen", "pyrogen/__init__.py", False),
        ("from pyrogen.inference import fit", "models", "models/adversarial/gan.py", False),
        ("from pyrogen.base import Model", "inference", "inference/training/fit.py", False),
        ("from pyrogen.command import cli", "inference", "inference/runs/grid.py", True),
        ("def f():\n    from pyrogen.command import cli", "inference", "inference/runs/grid.py", True),
        ("from pyrogen.inference.training.fit import fit", "inference", "inference/evidence/hmc.py", True),
        ("from pyrogen.inference import training", "inference", "inference/evidence/hmc.py", True),
        ("from pyrogen.inference.evidence import hmc", "inference", "inference/training/fit.py", False),
        ("from pyrogen.inference.training import game", "inference", "inference/training/fit.py", False),
    ],
)
def test_the_arrow_finder_finds(source, room, file, wrong):
    assert bool(wrong_arrows(source, room, file)) is wrong


def draws_at_import(source):
    """The lines of torch's draws that run when a file is imported: before any test has set its seed."""
    kinds = {"rand", "randn", "randint", "randperm", "rand_like", "randn_like", "bernoulli", "normal", "multinomial"}

    def visit(node):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            for part in (*node.decorator_list, *node.args.defaults):
                yield from visit(part)
            return
        if isinstance(node, ast.Lambda):
            return
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in kinds:
            named = {keyword.arg for keyword in node.keywords}
            if "generator" not in named and ast.unparse(node.func.value) == "torch":
                yield node.lineno
        for child in ast.iter_child_nodes(node):
            yield from visit(child)

    return list(visit(ast.parse(source)))


@pytest.mark.parametrize("path", sorted((ROOT / "tests").glob("*.py")), ids=lambda path: path.stem)
def test_no_case_draws_before_its_seed_is_set(path):
    """What a decorator draws differs from run to run, and a message that names it fails on some days alone."""
    assert draws_at_import(path.read_text()) == []


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("@parametrize('x', [torch.rand(3)])\ndef f(x): ...", [1]),
        ("DATA = (\n    3 * torch.randn(2),\n)", [2]),
        ("def f(x=torch.rand(3)): ...", [1]),
        ("@parametrize('x', [lambda: torch.rand(3)])\ndef f(x):\n    return torch.rand(3)", []),
        ("X = torch.rand(3, generator=torch.Generator().manual_seed(0))", []),
    ],
)
def test_the_finder_of_draws_finds(source, lines):
    assert draws_at_import(source) == lines


def test_looking_around_imports_no_torch():
    code = (
        "import sys, pyrogen\n"
        "assert pyrogen.list_models() and pyrogen.choices('prior') and dir(pyrogen)\n"
        "print(*sorted({'torch', 'pyro', 'numpy', 'jsonargparse'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd="/", check=False)
    assert (ran.returncode, ran.stdout.strip(), ran.stderr) == (0, "", "")


def advised(source):
    """The names of entries, or of data, that the sentences of a source advise to take."""
    named = r"'[a-z0-9-]+'"
    for node in ast.walk(ast.parse(source)):
        parts = node.values if isinstance(node, ast.JoinedStr) else [node]
        text = "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in parts)
        for found in re.findall(rf"\b(?:take|use|train) ({named}(?:(?:, | or |, or | on ){named})*)", text):
            yield from re.findall(r"[a-z0-9-]+(?=')", found)


def test_what_is_advised_exists():
    found = {name for _, path in SOURCES for name in advised(path.read_text(encoding="utf-8"))}
    assert {"rbm", "vqvae", "lstm-lm", "vae-text", "crossings"} <= found
    assert found <= {*pyrogen.list_models(), *pyrogen.choices("data")}


def test_no_text_was_read_as_latin_1():
    # the first bytes of signs, of Greek letters and of dashes in UTF-8, and what may follow them
    twice = re.compile("[\u00c2\u00c3\u00ce\u00cf\u00e2][\u0080-\u00bf\u20ac]")
    assert all(twice.search(sign.encode().decode("latin-1")) for sign in "±×σ—−")
    suffixes = {".py", ".md", ".html", ".toml", ".yaml"}
    texts = [path for folder in (*FOLDERS.values(), ROOT / "docs", ROOT / "examples") for path in folder.rglob("*")]
    for path in (*texts, *ROOT.glob("*.md")):
        if path.suffix in suffixes:
            assert not twice.search(path.read_text(encoding="utf-8")), path


def names_of_modules():
    found = set(ROOMS)
    for room in ROOMS:
        path = importlib.import_module(room).__path__
        found |= {m.name for m in pkgutil.walk_packages(path, f"{room}.") if not m.name.endswith("__main__")}
    return sorted(found)


MODULES = names_of_modules()


def test_every_source_is_installed():
    missing = {
        ".".join([*(("pyrogen",) if room != "pyrogen" else ()), *path.relative_to(ROOT).with_suffix("").parts])
        .removesuffix(".__init__")
        for room, path in SOURCES
        if path.stem != "__main__"
    } - set(MODULES)  # fmt: skip
    assert not missing


def test_every_folder_of_sources_goes_into_the_wheel():
    """An editable install maps whole trees: only a wheel would lack what the list of packages leaves out."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    folders = {
        ".".join([*(() if room == "pyrogen" else ("pyrogen",)), *path.parent.relative_to(ROOT).parts])
        for room, path in SOURCES
    }
    assert sorted(settings["packages"]) == sorted(folders)


def test_the_checkouts_folders_are_not_packages():
    for module in MODULES:
        importlib.import_module(module)
    assert not {"models", "inference"} & set(sys.modules)


@pytest.mark.skipif(shutil.which("make") is None, reason="no make")
def test_a_checkout_may_lie_anywhere(tmp_path):
    """By the line of the Makefile that puts it before folders of its name, in a folder whose path a shell would split."""
    (line,) = [line for line in (ROOT / "Makefile").read_text().splitlines() if "pyrogen-checkout.pth" in line]
    checkout = tmp_path / "a checkout's folder"
    venv.create(checkout / ".venv", symlinks=True)
    (checkout / "Makefile").write_text(f"BIN := .venv/bin\nput:\n{line}\n")
    subprocess.run(["make", "-s", "put"], cwd=checkout, check=True)
    (put,) = checkout.glob(".venv/lib/python*/site-packages/pyrogen-checkout.pth")
    assert put.read_text() == f"{checkout}\n"
    assert {path.name for path in checkout.iterdir()} == {".venv", "Makefile"}


def test_types_are_shipped():
    assert importlib.resources.files("pyrogen").joinpath("py.typed").is_file()


def test_doctests():
    found = {name: doctest.testmod(importlib.import_module(name)) for name in MODULES}
    assert {"pyrogen.registry", "pyrogen.data.dataset"} <= {name for name, result in found.items() if result.attempted}
    assert not [name for name, result in found.items() if result.failed]


def public(module):
    """Public classes and functions that a module defines, methods of its classes included."""
    for name, thing in vars(module).items():
        if name.startswith("_") or getattr(thing, "__module__", None) != module.__name__:
            continue
        if inspect.isfunction(thing):
            yield name, thing
        elif inspect.isclass(thing):
            yield name, thing
            for attribute, member in vars(thing).items():
                function = getattr(member, "__func__", getattr(member, "fget", None) or member)
                shown = not attribute.startswith("_") or attribute == "__init__"
                if shown and inspect.isfunction(function) and function.__module__ == module.__name__:
                    yield f"{name}.{attribute}", function


def is_bare(name, thing):
    """What a public name lacks: a docstring, or annotations of its parameters and result."""
    lacks = []
    if not inspect.getdoc(thing) and not name.endswith(".__init__"):
        lacks.append("docstring")
    if inspect.isfunction(thing):
        parameters = list(inspect.signature(thing).parameters.values())
        bare = [p.name for p in parameters if p.annotation is p.empty and p.name not in ("self", "cls")]
        # what @dataclass writes needs no annotation of ours
        if thing.__code__.co_filename != "<string>":
            lacks += bare
            lacks += ["return"] if inspect.signature(thing).return_annotation is inspect.Signature.empty else []
    return lacks


def test_public_names_are_documented_and_annotated():
    modules = {name: importlib.import_module(name) for name in MODULES}
    assert [name for name, module in modules.items() if not inspect.getdoc(module)] == []
    bare = {(name, label): is_bare(label, thing) for name, module in modules.items() for label, thing in public(module)}
    assert {k: v for k, v in bare.items() if v} == {}


# arguments other than the defaults, so that a forgotten attribute or a lost value shows
OTHER = {
    ("prior", "Laplace"): {"scale": 2.0},
    ("prior", "StudentT"): {"df": 3.0},
    ("prior", "MixtureOfGaussians"): {"components": 3},
    ("prior", "VampPrior"): {"components": 3},
    ("prior", "FlowPrior"): {"transform": "spline_coupling", "layers": 2, "hidden": 8},
    ("prior", "Bernoulli"): {"learned": True},
    ("prior", "Categorical"): {"learned": True},
    ("likelihood", "Normal"): {"scale": "shared", "value": 0.5, "positive": "exp", "floor": 0.01},
    ("likelihood", "Laplace"): {"scale": "fixed", "value": 0.5, "positive": "exp", "floor": 0.01},
    ("likelihood", "DiscretizedLogisticMixture"): {"components": 2},
    ("objective", "ELBO"): {"num_samples": 3, "beta": 2.0},
    ("objective", "IWAE"): {"k": 7},
    ("objective", "EnumeratedELBO"): {"num_samples": 3, "max_states": 64},
    ("objective", "ContrastiveDivergence"): {"k": 3},
    ("objective", "PersistentContrastiveDivergence"): {"k": 2, "chains": 8, "moved": 4, "restart": 0.1, "fast": 0.01},
    ("objective", "ParallelTempering"): {"temperatures": 3, "chains": 4, "k": 2},
    ("visible", "Gaussian"): {"scale": "learned"},
    ("visible", "Categorical"): {"classes": 4},
    ("objective", "Adversarial"): {"penalty_every": 4, "critic_steps": 3},
    ("estimator", "ELBO"): {"num_samples": 300},
    ("estimator", "IWAE"): {"k": 7},
    ("estimator", "Reconstruction"): {"num_samples": 7},
    ("estimator", "KDE"): {"bandwidth": 0.5, "samples": 7},
    ("optimizer", "Adam"): {"lr": 0.1, "betas": (0.5, 0.9), "weight_decay": 0.1},
}
AXES = sorted({r.axis for r in catalogue().values()} - {"entry", "data", "metric"})
CHOICES = [(r.axis, r.name) for axis in AXES for r in registry.registrations(axis)]
SPECS = [(axis, name, {}) for axis, name in CHOICES] + [(*key, arguments) for key, arguments in OTHER.items()]


@pytest.mark.parametrize(
    ("axis", "name", "arguments"), SPECS, ids=[f"{a}-{n}{'-other' if k else ''}" for a, n, k in SPECS]
)
def test_a_choice_is_remade_from_its_description(axis, name, arguments):
    thing = registry.make(axis, {"name": name, **arguments})
    accepted = [k for k in inspect.signature(type(thing).__init__).parameters if k != "self"]
    assert all(hasattr(thing, k) for k in accepted)
    assert {k: getattr(thing, k) for k in arguments} == arguments
    again = registry.make(axis, registry.describe(thing))
    assert type(again) is type(thing)
    assert registry.describe(again) == registry.describe(thing)
    if dataclasses.is_dataclass(thing):
        assert again == thing


@pytest.mark.parametrize(("axis", "name"), CHOICES, ids=[f"{a}-{n}" for a, n in CHOICES])
def test_a_choice_stands_on_the_axis_where_it_is_registered(axis, name):
    cls = registry.find(axis, name).load()
    assert axis in cls.axes
    assert name in pyrogen.choices(axis)
