"""Pages of the book that are made and not typed: the gallery, tables of choices, and stubs of the API reference.

Each is a pure function of the registry, the sources, `proofs/*.json` and the weights in the package; `conf.py` writes them
to `docs/generated/`.
"""

import functools
import importlib
import inspect
import pkgutil
import re
from pathlib import Path

from docstrings import described
from drawn import as_png, drawn
from matplotlib.figure import Figure
from proof_figure import figure

from pyrogen import registry
from pyrogen.catalogue import ROOMS
from pyrogen.inference.proofs.records import bound_words, control_words, measured_words, read_proof

ROOT = Path(__file__).parent.parent
TABLES = (
    "prior", "likelihood", "posterior", "objective", "adversarial loss", "penalty", "critic", "generator", "sequence",
    "telling", "noise", "sampler", "estimator", "measure", "analysis", "representation", "reader", "augmentation", "kind",
    "data",
)  # fmt: skip
# families of the gallery: folders of the zoo, in the order in which one reads them
FAMILIES = {
    "vae": ("Variational autoencoders", "A prior, a posterior and a likelihood; each can be swapped."),
    "autoencoders": ("Autoencoders", "The same pair with a point for a posterior: no density, and codes."),
    "adversarial": (
        "Adversarial models",
        "Trained as a game; judged by samples, or by AIS behind an observation noise.",
    ),
    "energy": ("Energy models", "A density up to a constant, which annealing estimates."),
    "autoregressive": ("Autoregressive models", "One element given those before it, with an exact log p(x)."),
    "": ("Flows, codebooks and others", "Change of variables, discrete codes, and models that are a file each."),
    "diffusion": ("Diffusion and flow matching", "Noise taken away step by step."),
    "sequences": ("Sequences", "Sentences, tunes, clips, paths and hidden states."),
    "heads": ("Regressions and classifiers", "A likelihood as the head of a network: x given y, or y given x."),
}


def write_all(folder: Path) -> None:
    """Write every page; those that are as they were keep their dates, so that Sphinx leaves them alone."""
    pages: dict[str, str | bytes] = {f"tables/{axis.replace(' ', '-')}.md": table(axis) for axis in TABLES}
    pages["tables/axes.md"] = axes()
    pages |= gallery() | reference()
    for name, page in pages.items():
        path, content = folder / name, page.encode() if isinstance(page, str) else page
        if not path.exists() or path.read_bytes() != content:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    for path in {p for p in folder.rglob("*") if p.is_file()} - {folder / name for name in pages}:
        path.unlink()


def plain(text: str) -> str:
    """Words of a source in a cell of a Markdown table, or in a line: what Markdown would take for markup is escaped."""
    text = re.sub(r":\w+:`~?([^`]+)`", r"`\1`", text.replace("``", "`"))
    parts = text.split("`")
    parts[::2] = ["".join(f"\\{c}" if c in r"\*_|[]<>#$~" else c for c in part) for part in parts[::2]]
    parts[1::2] = [part.replace("|", r"\|") for part in parts[1::2]]
    return "`".join(parts)


def rows(head: str, cells: list[list[str]]) -> str:
    """A Markdown table."""
    names = head.split(",")
    lines = [names, ["---"] * len(names), *cells]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def axes() -> str:
    """Every axis and the names of its choices."""
    return rows("axis,choices", [[a, ", ".join(f"`{n}`" for n in registry.choices(a))] for a in TABLES])


def table(axis: str) -> str:
    """The choices on an axis, a sentence each."""
    found = [registry.find(axis, name) for name in registry.choices(axis)]
    return rows("name,what it is", [[f"`{r.name}`", plain(r.summary)] for r in found])


# gallery


def families() -> dict[str, list[str]]:
    """Names of entries by the folder of the zoo that holds them, each family in the order of its names."""
    found: dict[str, list[str]] = {folder: [] for folder in FAMILIES}
    for name in registry.list_models():
        place = registry.find("entry", name).module.removeprefix("pyrogen.models.").split(".")
        found[place[0] if len(place) > 1 else ""].append(name)
    return found


def gallery() -> dict[str, str | bytes]:
    """A page for each family with a card for each entry, its pictures, and an index with a table of all."""
    pages: dict[str, str | bytes] = {}
    index = ["# Gallery", "", GALLERY, ""]
    for folder, names in families().items():
        title, says = FAMILIES[folder]
        page = folder or "others"
        shown = {name: drawn(name) for name in names}
        pages |= {f"gallery/{name}.png": as_png(x) for name, x in shown.items() if isinstance(x, Figure)}
        cards = "\n".join(card(name, shown[name]) for name in names)
        pages[f"gallery/{page}.md"] = f"# {title}\n\n{says}\n\n{cards}"
        cells = [
            [f"[`{r.name}`](#entry-{r.name})", plain(r.summary), verdict(r.name)]
            for r in (registry.find("entry", name) for name in names)
        ]
        index += [f"## [{title}]({page}.md)", "", rows("entry,what it is,claims proved", cells)]
    toc = "\n".join(folder or "others" for folder in FAMILIES)
    pages["gallery/index.md"] = "\n".join(index) + f"\n```{{toctree}}\n:hidden:\n\n{toc}\n```\n"
    return pages


GALLERY = """Every entry of the zoo, as the registry and `proofs/*.json` have it: what it is, its equation, its reference, the
command that trains it, samples where weights come with the package, and what was measured of its claims. In a figure each
dot is a seed: filled ones of the entry, open ones of a control for which the same bound must be missed, and the shaded side
is where the bound holds. Entries called `*-paper` are recipes at the scale of a paper, for a GPU."""


@functools.cache
def proof_of(name: str) -> list:
    """The claims of an entry as they stand, none where it has no proof."""
    file = ROOT / "proofs" / f"{name}.json"
    return list(read_proof(file)["claims"]) if file.exists() else []


def verdict(name: str) -> str:
    """How many claims are proved, of how many."""
    claims = proof_of(name)
    return f"{sum(c['verdict'] == 'proved' for c in claims)} of {len(claims)}" if claims else "–"


def card(name: str, shown: Figure | list[str] | None) -> str:
    """An entry: what it draws, its equation, its reference, the command, and pictures of its proof."""
    record = registry.find("entry", name)
    build = record.load()
    data = record.details["data"]
    said = described(inspect.getdoc(build) or "")
    made = inspect.signature(build).return_annotation
    module = importlib.import_module(record.module)
    cls = getattr(module, made, None) if isinstance(made, str) else made
    chosen = [
        f"{axis} `{p.default if isinstance(p.default, str) else p.default['name']}`"
        for axis, p in inspect.signature(build).parameters.items()
        if axis in TABLES and p.default and isinstance(p.default, str | dict)
    ]
    fixed = [f"{axis} `{choice}`, which is what it is" for axis, choice in record.details.get("fixes", {}).items()]
    lines = [f"(entry-{name})=", f"## `{name}`", "", "```{eval-rst}", *said]
    if inspect.isclass(cls) and cls.__module__.startswith("pyrogen."):
        lines += ["", f"It is a :class:`~{cls.__module__}.{cls.__name__}`.", ""]
        lines += [f"    {line}" if line else "" for line in described(inspect.getdoc(cls) or "")]
    lines += ["```", ""]
    if isinstance(shown, Figure):
        lines += [f"```{{image}} {name}.png", f":alt: samples of {name}", ":class: samples", "```", ""]
    elif shown:
        lines += ["```text", *shown, "```", ""]
    if shown:
        lines += [f'Drawn by the weights that come with it, `pyrogen.create("{name}", pretrained=True)`.', ""]
    if chosen or fixed:
        lines += [f"Unless told otherwise: {', '.join(chosen + fixed)}.", ""]
    asked = "" if data == "digits" else f' --data "{data}"' if "(" in data else f" --data {data}"
    lines += ["```sh", f"pyrogen train {name}{asked} --folder runs/{name}", "```", ""]
    lines += [f"*{plain(record.details['reference'])}*", ""]
    claims = proof_of(name)
    if claims:
        lines += ["```{raw} html", *(figure(claim) for claim in claims), "```", ""]
    cells = [
        [plain(c["says"]), bound_words(c["bound"]), measured_words(c), f"{plain(c['control_says'])}: {control_words(c)}",
         plain(c["verdict"])]
        for c in claims
    ]  # fmt: skip
    if cells:
        lines.append(rows("claim,bound,measured,control,verdict", cells))
    return "\n".join(lines) + "\n"


# API reference


def reference() -> dict[str, str | bytes]:
    """A page for each folder of sources, with all that its files define, and an index of the names that users type."""
    pages: dict[str, str | bytes] = {}
    groups: dict[str, list[str]] = {}
    for room in ROOMS:
        modules = [room, *(m.name for m in pkgutil.walk_packages(importlib.import_module(room).__path__, f"{room}."))]
        for module in sorted(set(modules)):
            if (room == "pyrogen" and module.startswith(ROOMS[1:])) or module.endswith("__main__"):
                continue
            package = module if hasattr(importlib.import_module(module), "__path__") else module.rpartition(".")[0]
            groups.setdefault(package, []).append(module)
    for package, modules in groups.items():
        lines = [f"# {package}", ""]
        for module in modules:
            own = [] if module == package else [f"## {module.rpartition('.')[2]}", ""]
            # what a package only hands on is documented where it is defined
            options = [f"   :{option}:" for option in ("members", "show-inheritance", "ignore-module-all")]
            lines += [*own, "```{eval-rst}", f".. automodule:: {module}", *options, "```", ""]
        pages[f"api/{package}.md"] = "\n".join(lines)
    index = ["# API reference", "", API, ""]
    for room in ("pyrogen", "pyrogen.inference"):
        index += [f"## Names of `{room}`", "", rows("name,what it is", _names(room))]
    toc = "\n".join(sorted(groups))
    pages["api/index.md"] = "\n".join(index) + f"\n## By folder\n\n```{{toctree}}\n:maxdepth: 1\n\n{toc}\n```\n"
    return pages


API = """Everything public, from its docstring. Shapes are written `(B, *x_shape)`; scores are in nats, unless a name ends
in `_bpd`. First the names that are imported from `pyrogen` and from `pyrogen.inference`, then each folder of the sources."""


def _names(room: str) -> list[list[str]]:
    module = importlib.import_module(room)
    found = []
    for name in module.__all__:
        thing = getattr(module, name)
        doc = (inspect.getdoc(thing) or "").strip().split("\n")[0]
        path = thing.__name__ if inspect.ismodule(thing) else f"{thing.__module__}.{thing.__qualname__}"
        role = "mod" if inspect.ismodule(thing) else "class" if inspect.isclass(thing) else "func"
        found.append([f"{{py:{role}}}`{name} <{path}>`", plain(doc)])
    return found
