"""Fill the README's tables and picture from the registry and from runs made here: `make readme`.

Whatever stands between `<!-- NAME -->` and `<!-- /NAME -->` is replaced.
"""

import argparse
import datetime
import platform
import re
import subprocess
from pathlib import Path

import numpy as np
import torch

import pyrogen
from pyrogen import registry
from pyrogen.figures import plots
from pyrogen.figures.report import save_figures
from pyrogen.inference import ELBO, IWAE, fit, log_evidence, summarize

ROOT = Path(__file__).parent.parent
PRIORS = ("StandardNormal", "Laplace", "StudentT", "MixtureOfGaussians", "FlowPrior", "VampPrior")
SEEDS = (0, 1, 2)


def entries() -> str:
    rows = ["| entry | what it is | default data | reference |", "|---|---|---|---|"]
    for name in registry.list_models():
        record = registry.find("entry", name)
        cells = (f"`{name}`", record.summary, record.details["data"], record.details["reference"])
        rows.append("| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |")
    return "\n".join(rows)


def axes() -> str:
    rows = ["| axis | choices |", "|---|---|"]
    for axis in (
        "prior",
        "likelihood",
        "posterior",
        "objective",
        "adversarial loss",
        "penalty",
        "critic",
        "generator",
        "sequence",
        "telling",
        "estimator",
        "measure",
        "representation",
        "reader",
        "augmentation",
        "data",
    ):
        rows.append(f"| {axis} | {', '.join(f'`{name}`' for name in registry.choices(axis))} |")
    return "\n".join(rows)


def trained(prior: str, seed: int, epochs: int) -> tuple[object, object]:
    data = pyrogen.data.load("digits")
    torch.manual_seed(seed)
    model = pyrogen.create("vae", x_shape=data.x_shape, latent_size=8, hidden=(256,), prior=prior)
    fit(model, data, epochs=epochs, batch_size=64, seed=seed)
    return model, data


def results(epochs: int) -> str:
    rows = [
        "| prior | ELBO | IWAE(1000) | ± Monte Carlo | ± data | gain over N(0, I) | each seed's IWAE |",
        "|---|---|---|---|---|---|---|",
    ]
    base = None
    for prior in PRIORS:
        runs = [trained(prior, seed, epochs) for seed in SEEDS]
        bounds = [summarize(log_evidence(model, data.test, ELBO())).nats for model, data in runs]
        evidence = [log_evidence(model, data.test, IWAE(1000)) for model, data in runs]
        summaries = [summarize(e) for e in evidence]
        values = np.mean([e["log_evidence"].values for e in evidence], 0)
        base = values if base is None else base
        gain = values - base
        seeds = " ".join(f"{s.nats:.2f}" for s in summaries)
        paired = f"{gain.mean():+.2f} ± {gain.std(ddof=1) / np.sqrt(len(gain)):.2f}" if prior != PRIORS[0] else "–"
        nats, mc = np.mean([s.nats for s in summaries]), np.sqrt(np.mean([s.mc_se**2 for s in summaries]) / len(SEEDS))
        spread = values.std(ddof=1) / np.sqrt(len(values))
        rows.append(f"| {prior} | {np.mean(bounds):.2f} | {nats:.2f} | {mc:.3f} | {spread:.2f} | {paired} | {seeds} |")
        if prior == PRIORS[0]:
            picture(*runs[0])
    return "\n".join(rows) + "\n\n" + provenance(f"epochs {epochs}, batch 64, Adam 1e-3, 64-256-8-256-64")


def picture(model, data) -> None:
    x = data.test.x[:8]
    torch.manual_seed(0)
    figures = {
        "reconstructions": plots.reconstructions(x, model.reconstruct(x), "binary"),
        "samples": plots.image_grid(model.sample_mean(32), "binary", columns=16),
    }
    save_figures(ROOT / "docs", figures)


def provenance(what: str) -> str:
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, cwd=ROOT
    ).stdout.strip()
    cpu = (
        re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text()) if Path("/proc/cpuinfo").exists() else None
    )
    machine = f"{cpu[1] if cpu else platform.machine()}, {torch.get_num_threads()} threads"
    versions = f"torch {torch.__version__}, Python {platform.python_version()}"
    return f"*{what}; seeds {', '.join(map(str, SEEDS))}; {machine}; {versions}; commit {commit}; {datetime.date.today()}.*"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables-only", action="store_true", help="leave results and pictures as they are")
    parser.add_argument("--epochs", type=int, default=200)
    options = parser.parse_args()
    blocks = {"entries": entries(), "axes": axes()}
    if not options.tables_only:
        blocks["results"] = results(options.epochs)
    path = ROOT / "README.md"
    text = path.read_text(encoding="utf-8")
    for name, block in blocks.items():
        text = re.sub(
            rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", lambda m, b=block: f"{m[1]}{b}\n{m[2]}", text, flags=re.S
        )
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
