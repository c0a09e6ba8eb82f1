"""What is given away of a run, and where it comes to lie: config, weights, history, scores and a card."""

from __future__ import annotations

import shutil
from pathlib import Path

import yaml

from pyrogen import storage
from pyrogen.files import write
from pyrogen.inference.runs.quality import FACTS, read_quality
from pyrogen.inference.runs.scores import SCORES, read_scores
from pyrogen.inference.sharing.card import model_card
from pyrogen.inference.training.run import METRICS
from pyrogen.pretrained import CARD

# all that is ever given away, or taken
PARTS = (storage.CONFIG, storage.WEIGHTS, METRICS, FACTS, f"{SCORES}/*.nc", f"{SCORES}/*.yaml", CARD)


def pack(folder: str | Path, target: str | Path, how: str, license: str | None = None) -> Path:
    """Write a run as it is given away: its last weights, what judged these, and its card. No path of this machine goes along.

    Args:
        folder: the run's.
        target: where to; what lies there of an earlier time is replaced.
        how: the Python expression that gives the model, for the card.
        license: of the weights, as hubs abbreviate it.

    Raises:
        ValueError: the folder is no ended run of the zoo, or is damaged.
    """
    folder, target = Path(folder), Path(target)
    config = storage.read_config(folder)
    if not (folder / storage.WEIGHTS).is_file():
        raise ValueError(f"{folder} holds no {storage.WEIGHTS}: only a run that has ended can be given away.")
    storage.load(folder)  # what cannot be read here can be read nowhere
    data = config.get("data")
    if isinstance(data, dict) and (source := Path(str(data.get("source")))).is_absolute():
        # whether or not it still lies there, and however its path was typed
        sort = str(data.get("reference")).partition(" ")[0]
        config["data"] = {**data, "source": source.name, "reference": f"{sort} {source.name}"}
    storage.clear(target, *PARTS)
    write(target / storage.CONFIG, yaml.safe_dump(config, sort_keys=False, allow_unicode=True))
    judged = [name for name, score in read_scores(folder).items() if score.attrs.get("weights", "last") == "last"]
    parts = [f"{SCORES}/{name}{suffix}" for name in judged for suffix in (".nc", ".yaml")]
    quality, _ = read_quality(folder)
    parts += [FACTS] if quality is not None and quality.results.attrs.get("weights", "last") == "last" else []
    for part in (storage.WEIGHTS, METRICS, *parts):
        if (folder / part).is_file():
            write(target / part, (folder / part).read_bytes())
    write(target / CARD, model_card(target, how, license))
    return target


def place(folder: Path, target: str | Path) -> Path:
    """Copy what was given away into a folder of one's own, where it is a run like others.

    Raises:
        ValueError: a run lies there already.
    """
    target = Path(target)
    if (target / storage.CONFIG).exists():
        raise ValueError(f"{target} already holds a run; choose another folder, or remove it.")
    for part in sorted(path for pattern in PARTS for path in folder.glob(pattern)):
        (target / part.relative_to(folder)).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(part, target / part.relative_to(folder))
    return target
