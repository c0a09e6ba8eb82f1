"""Models on disk: a config that names an entry and its choices, and weights as plain tensors. No code is ever read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
import yaml
from torch import Tensor, nn

import pyrogen
from pyrogen import plain_yaml
from pyrogen.base import Model
from pyrogen.files import first_line, write
from pyrogen.pretrained import has_weights
from pyrogen.registry import create, describe, holds_own, unknown
from pyrogen.seeds import ALONE

CONFIG, WEIGHTS = "config.yaml", "weights.safetensors"
CHECKPOINT = "checkpoint.safetensors"  # of a run that has not ended: its weights are in here
SAVED = {"last": WEIGHTS, "best": "best.safetensors", "ema": "ema.safetensors"}
AGAIN = "copy the folder again from where it is whole, or train it anew"
# what judges or shows the weights of a run, and is worth nothing beside others
DERIVED = (
    "scores/*.nc",
    "scores/*.yaml",
    "figures/*.svg",
    "samples.png",
    "samples-means.png",
    "samples.npz",
    "report.html",
    "latents.html",
    "latents.json",
    "latents/*.svg",
    "quality.json",
    "probes.json",
)
# of the same training as the last weights
BESIDE = ("best.safetensors", "ema.safetensors", "film.safetensors", "checkpoint.safetensors", "metrics.jsonl")


def save(model: Model, folder: str | Path, **sections: Mapping[str, Any]) -> Path:
    """Write a model's weights and config; where they replace others, what was derived from those goes with them.

    A run whose very model this is stays as it is.

    Args:
        model: the model.
        folder: where; it is created.
        sections: more sections of the config, such as the data and the settings of a fit.

    Raises:
        ValueError: the folder holds the run of other weights, of which its config says more than would be written.
    """
    folder = Path(folder)
    path, weights = folder / WEIGHTS, _bytes(model.state_dict())
    before = path.read_bytes() if path.is_file() else None
    there = _sections(folder)
    if lost := sorted(there.keys() - {"pyrogen", "model"} - sections.keys()):
        if before == weights and there["model"] == config_of(model)["model"]:
            return folder
        raise ValueError(
            f"{folder} holds a run with other weights, and what its config says of that ({', '.join(lost)}) would be lost; "
            "save the model in another folder."
        )
    write_config(model, folder, **sections)
    write(path, weights)
    if before not in (None, weights):
        clear(folder, *DERIVED, *BESIDE)
    return folder


def _sections(folder: Path) -> dict[str, Any]:
    """What a config says that is there already; nothing where it is damaged or another's."""
    try:
        return read_config(folder)
    except ValueError:
        return {}


def clear(folder: str | Path, *patterns: str) -> None:
    """Remove a run's files by their patterns, and the sub-folders that they leave empty; the default is ``DERIVED``."""
    for path in [path for pattern in patterns or DERIVED for path in Path(folder).glob(pattern)]:
        path.unlink(missing_ok=True)
        if path.parent != Path(folder) and not any(path.parent.iterdir()):
            path.parent.rmdir()


def fingerprint(folder: str | Path, weights: str = "last") -> dict[str, str]:
    """What a judgement of a run depends on, as hashes: its weights, and what its config says of the model and the data.

    Where the data lie and what they are called does not count, their values do.

    Args:
        folder: a run's folder.
        weights: "last", "best" or "ema".

    Returns:
        ``weights_sha256``, ``model_sha256`` and ``data_sha256``; "" for what the folder lacks.
    """
    path, config = Path(folder) / SAVED.get(weights, WEIGHTS), {}
    if not (Path(folder) / WEIGHTS).is_file() and not path.is_file():
        path = Path(folder) / CHECKPOINT  # where :func:`load` finds the weights of a run that has not ended
    if (Path(folder) / CONFIG).is_file():
        config = read_config(folder)
    found = {"weights": path.read_bytes() if path.is_file() else b""}
    for name in ("model", "data"):
        section = config.get(name)
        if isinstance(section, dict):  # weights under other masks are never read
            section = {k: v for k, v in section.items() if k not in ("name", "source", "reference", "masks")}
        found[name] = b"" if section is None else json.dumps(section, sort_keys=True, default=str).encode()
    return {f"{k}_sha256": hashlib.sha256(v).hexdigest()[:12] if v else "" for k, v in found.items()}


def write_weights(path: Path, weights: Mapping[str, Tensor]) -> None:
    """Write tensors as safetensors; equal tensors make equal bytes."""
    write(path, _bytes(weights))


def _bytes(weights: Mapping[str, Tensor]) -> bytes:
    return safetensors.torch.save({k: v.detach().cpu().contiguous().clone() for k, v in weights.items()})


def config_of(model: Model, **sections: Mapping[str, Any]) -> dict[str, Any]:
    """What ``config.yaml`` says of a model, as plain data."""
    said = {**describe(model.origin or describe(model)), **({"masks": masks} if (masks := masks_of(model)) else {})}
    return {"pyrogen": pyrogen.__version__, "model": said, **{k: describe(v) for k, v in sections.items()}}


def masks_of(model: nn.Module) -> str:
    """A hash of the masks and orders of a model, bits and whole numbers that code makes and no weights hold; "" of none."""
    saved = model.state_dict().keys()
    unsaved = {k: v for k, v in model.named_buffers() if k not in saved and not v.is_floating_point()}
    said = b"".join(f"{k} {[*v.shape]} ".encode() + v.cpu().numpy().tobytes() for k, v in sorted(unsaved.items()))
    return hashlib.sha256(said).hexdigest()[:12] if unsaved else ""


def write_config(model: Model, folder: str | Path, **sections: Mapping[str, Any]) -> None:
    """Write ``config.yaml`` alone: what a run is, before it has weights."""
    config = config_of(model, **sections)
    write(Path(folder) / CONFIG, yaml.safe_dump(config, sort_keys=False, allow_unicode=True))


def read_config(folder: str | Path) -> dict[str, Any]:
    """The config of a run's folder.

    Raises:
        ValueError: there is none, or it is damaged or foreign.
    """
    folder = Path(folder)
    if not (folder / CONFIG).is_file():
        fetched = f" To have a trained {folder}, pyrogen fetch {folder}." if has_weights(str(folder)) else ""
        raise ValueError(f"{folder} is not a run's folder: it holds no {CONFIG}.{fetched}")
    try:
        config = plain_yaml.read((folder / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{folder / CONFIG} cannot be read as YAML ({first_line(error)}); {AGAIN}.") from error
    if not isinstance(config, dict) or not isinstance(config.get("model"), dict):
        raise ValueError(f"{folder / CONFIG} was not written by pyrogen: it has no section 'model'.")
    return config


def load(folder: str | Path, model: Model | None = None, weights: str = "last") -> Any:
    """Read a model that was saved; nothing but numbers and names is read.

    Args:
        folder: a run's folder.
        model: needed only where the model was made with networks of your own: an equal one, to be filled.
        weights: "last", "best" (of the lowest validation loss) or "ema" (the moving average), where a run has them; of a
            run that has not ended, those of its last checkpoint.

    Raises:
        ValueError: the folder is missing, damaged, foreign, does not fit ``model``, or holds weights that are not finite, or
            were trained under other masks.
    """
    folder = Path(folder)
    if weights not in SAVED:
        raise unknown("kind of weights", weights, SAVED)
    if model is not None and not isinstance(model, Model):
        raise ValueError(
            f"model= takes an equal model, and got {type(model).__name__}; of a tuple (model, guide) of plain Pyro functions "
            "load_run(folder, model=(model, guide), data=data) reads the weights."
        )
    config = read_config(folder)
    rebuilt = _rebuild(config["model"], folder) if model is None else model
    path, saved = _read_weights(folder, weights)
    expected = rebuilt.state_dict()
    wrong = sorted(expected.keys() ^ saved.keys()) or [k for k, t in expected.items() if not _alike(t, saved[k])]
    if wrong:
        why = "model= is another" if model is not None else f"it is damaged, or of another version of pyrogen; {AGAIN}"
        raise ValueError(f"{path} does not fit the model of {CONFIG}: {', '.join(wrong[:3])} differ; {why}.")
    if masks_of(rebuilt) != config["model"].get("masks", ""):
        whose = "this version of pyrogen makes" if model is None else "model= has"
        raise ValueError(
            f"{path} holds weights that were trained under other masks than {whose}, and would mean something else there; "
            "train anew."
        )
    if other := next((k for k, t in expected.items() if t.dtype != saved[k].dtype), None):
        if model is not None:
            own, theirs = (str(t.dtype).removeprefix("torch.") for t in (expected[other], saved[other]))
            raise ValueError(
                f"{path} holds {other} as {theirs}, and model= has it as {own}; pass model.to(torch.{theirs})."
            )
        _cast(rebuilt, saved)
    model = rebuilt
    model.load_state_dict(saved)
    if bad := not_finite(model):
        raise ValueError(
            f"{path} holds weights that are not finite ({bad}): its training ran away; train again with a smaller lr, or "
            "load weights='best'."
        )
    said = section if isinstance(section := config.get("data"), dict) else {}
    model.standardized, model.columns = said.get("standardize") is True, tuple(said.get("columns") or ())
    model.read_weights = fingerprint(folder, weights)["weights_sha256"]
    return model.eval()


def _alike(one: Tensor, other: Tensor) -> bool:
    """Whether tensors have the same shape and type, whatever the precision of real numbers."""
    both_real = one.is_floating_point() and other.is_floating_point()
    return one.shape == other.shape and (both_real or one.dtype == other.dtype)


def _cast(model: Model, saved: Mapping[str, Tensor]) -> None:
    """Give a rebuilt model the types of what was saved: it may have been made double, or torch's default be another now."""
    parameters = (saved[name].dtype for name, p in model.named_parameters() if p.is_floating_point())
    model.to(next(parameters, None))  # what is not saved goes with the parameters
    for name, tensor in model.state_dict(keep_vars=True).items():
        tensor.data = tensor.data.to(saved[name].dtype)


def not_finite(module: nn.Module) -> str:
    """The name of the first parameter that holds NaN or infinite values; nothing where none does."""
    parameters = dict(module.named_parameters())
    if not parameters or bool(torch.stack([p.detach().isfinite().all() for p in parameters.values()]).all()):
        return ""
    return next(name for name, p in parameters.items() if not p.isfinite().all())


def _read_weights(folder: Path, weights: str) -> tuple[Path, dict[str, Tensor]]:
    path, prefix = folder / SAVED[weights], ""
    if not path.is_file() and not (folder / WEIGHTS).is_file() and (folder / CHECKPOINT).is_file():
        path, prefix = folder / CHECKPOINT, f"{'model' if weights == 'last' else weights}/"
    if not path.is_file():
        ended = (folder / WEIGHTS).is_file()
        why = "." if ended else ": its training has not ended, and has written no checkpoint yet."
        raise ValueError(f"{folder} holds no {SAVED[weights]}{why}")
    try:
        with safetensors.safe_open(path, "pt") as file:
            names = [name for name in file.keys() if name.startswith(prefix)]  # noqa: SIM118  (not a mapping)
            saved = {name.removeprefix(prefix): file.get_tensor(name) for name in names}
    except (OSError, safetensors.SafetensorError, ValueError, KeyError) as error:
        raise ValueError(f"{path} is damaged ({first_line(error)}); {AGAIN}.") from error
    if prefix and not saved:
        raise ValueError(f"{folder} holds no {SAVED[weights]}: its last checkpoint has no such weights.")
    return path, saved


def own_networks(arguments: Mapping[str, Any]) -> list[str]:
    """Which of the arguments that an origin describes are, or hold, networks of their maker's own, which none makes anew."""
    return [k for k, v in arguments.items() if holds_own(v)]


def _rebuild(origin: Mapping[str, Any], folder: Path) -> Model:
    arguments = origin.get("arguments")
    if not isinstance(origin.get("entry"), str) or not isinstance(arguments, dict):
        raise ValueError(
            f"{folder} holds a model that was made in Python; build an equal one and call load(folder, model=...), or of "
            "plain Pyro functions load_run(folder, model=(model, guide), data=data)."
        )
    if own := own_networks(arguments):
        raise ValueError(
            f"{folder} holds a model with networks of its maker's own ({', '.join(own)}); build an equal one and call "
            "load(folder, model=...)."
        )
    try:
        with ALONE, torch.random.fork_rng(devices=[]):
            model: Model = create(origin["entry"], **{str(k): v for k, v in arguments.items()})
    except (ValueError, TypeError, RuntimeError, KeyError, AttributeError) as error:
        raise ValueError(f"{folder / CONFIG} describes no model that can be built: {first_line(error)}") from error
    return model
