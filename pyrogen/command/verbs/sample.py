"""``pyrogen sample``."""

from __future__ import annotations

import io
from argparse import Namespace
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyrogen
from pyrogen.command import options as opt
from pyrogen.command.cli import VERBS
from pyrogen.seeds import check_seed

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch import Tensor

    from pyrogen.data import Data
    from pyrogen.vocabulary import Vocabulary

SHOWN = 8  # texts
ROLLS = 16


def run(arguments: Sequence[str]) -> int:
    """Draw, and write numbers and pictures."""
    from pyrogen.samplers import Sampler

    parser = opt.parser("pyrogen sample", VERBS["sample"], "RUN [options]")
    parser.add_argument("run", type=str, help="folder of a run")
    parser.add_argument("--n", type=int, default=64, help="how many")
    parser.add_argument("--seed", type=int, default=0, help="of the draws")
    parser.add_argument(
        "--y",
        type=str | None,
        default=None,
        help="what a conditional model's samples are given: a class, a caption, numbers with commas between, an image file, "
        "a layout (.png or .npy of classes); by default the y of test data",
    )
    parser.add_argument(
        "--temperature",
        type=float | None,
        default=None,
        help="scale the spread of the prior by it, and show means: 0.7 is nearer to what the model knows, 0 its centres; of "
        "models that draw x place by place, as sentences, how sure each place is, and at 0 the likeliest; of flows, the "
        "spread of their base",
    )
    parser.add_argument(
        "--truncation",
        type=float | None,
        default=None,
        help="keep latents of a GAN to their centre: the largest |z|, or the share of a style's way from the mean",
    )
    parser.add_argument(
        "--guidance",
        type=float | None,
        default=None,
        help="of diffusions that are told y, and were trained with it hidden now and then: how much samples agree with it; 1 "
        "is the model, and above it they agree more and vary less",
    )
    opt.add_axis(parser, "sampler", Sampler, None, "how a diffusion is walked back from noise to data", "sampler")
    parser.add_argument(
        "--beams",
        type=int | None,
        default=None,
        help="of models of texts: not draws, but the most probable ones that a beam search finds, keeping so many "
        "beginnings; of models with latents the most probable one of each",
    )
    parser.add_argument(
        "--given",
        type=str | None,
        default=None,
        help="of models of texts: a text with gaps that they fill, as 'the _ chases a _', or 'the cat ...' for its rest",
    )
    parser.add_argument("--out", type=str | None, default=None, help="where to, without a suffix; default RUN/samples")
    options = opt.parse(parser, arguments, {"sampler": "sampler"})
    import numpy as np
    import torch

    from pyrogen.capabilities import HasDiffusion
    from pyrogen.data.said import as_said
    from pyrogen.figures import music_plots
    from pyrogen.figures.report import save_figures
    from pyrogen.files import saving, write
    from pyrogen.inference.runs.recipe import data_of
    from pyrogen.memory import enough_memory
    from pyrogen.pitches import HasPitches

    check_seed(options.seed)
    if options.n < 1:
        raise ValueError(f"--n {options.n}: ask for at least 1 sample.")
    out, content = Path(options.out or Path(options.run) / "samples"), io.BytesIO()
    out = out.with_suffix("") if out.suffix in (".npz", ".png", ".txt") else out
    numbers = out.with_name(f"{out.name}.npz")  # a name may hold a point, as draws-0.7
    with enough_memory("lower --n"):
        model, data = pyrogen.load(options.run), data_of(options.run)
        y = data.test.y
        if options.y is not None:
            if not model.is_told:
                raise ValueError(f"--y {options.y}: the model in {options.run} is not conditional; leave --y out.")
            one = as_said(options.y, model.condition, data)
            y = one.expand(options.n, *one.shape)
        elif y is not None:
            y = y[torch.arange(options.n) % len(y)]
        drawn = _drawn(model, options, model.condition_for(y), data.vocabulary)
        if (scale := data.train.view.scale) is not None:
            drawn = {name: scale.restore(x) for name, x in drawn.items()}  # to the file's own values
        shown = {"x": out.name, "mean": f"{out.name}-means"}
        words, notes = data.vocabulary, data.vocabulary if isinstance(data.vocabulary, HasPitches) else None
        heard: dict[str, Tensor] = {}
        if notes is not None:
            heard = {shown[name]: notes.sound(x.cpu()) for name, x in drawn.items()}
        texts = {shown[name]: words.write(x.cpu()) for name, x in drawn.items()} if words and notes is None else {}
        figures = {} if words else {shown[name]: _drawing(x, data) for name, x in drawn.items()}
        figures |= {
            name: music_plots.rolls([("", piece) for piece in pieces[:ROLLS]]) for name, pieces in heard.items()
        }
        np.savez_compressed(content, **{name: x.cpu().numpy() for name, x in drawn.items()})
    with saving("the samples were not saved"):
        pictures = save_figures(out.parent, figures)
        write(numbers, content.getvalue())
        for name, lines in texts.items():
            pictures.append(out.parent / f"{name}.txt")
            write(pictures[-1], "".join(f"{line}\n" for line in lines))
        said = _played(out.parent, heard)
    # a beam search draws nothing
    x = "samples (x)" if options.beams is None else "sequences of highest probability that were found (x)"
    last = " of p(x|z₀), without the noise of the last step" if isinstance(model, HasDiffusion) else ""
    what = " and their ".join({"x": x, "mean": f"means{last} (mean)"}[name] for name in drawn)
    for lines in texts.values():
        print("\n".join(f"  {line}" for line in lines[:SHOWN]) + ("\n  …" if len(lines) > SHOWN else ""))
    print(f"{len(drawn[next(iter(drawn))])} {what}: {', '.join(map(str, pictures))} and {numbers}")
    if said:
        print(said)
    return 0


def _played(folder: Path, heard: Mapping[str, Tensor]) -> str:
    """Write pieces as MIDI files, a folder for each name, and say so, or why they cannot be written."""
    from pyrogen import midi
    from pyrogen.files import write

    if not heard:
        return ""
    try:
        midi.library()
    except ValueError as error:
        return f"no MIDI files: {error}"
    folders = []
    for name, pieces in heard.items():
        folders.append(folder / f"{name}-midi")
        for number, piece in enumerate(pieces, 1):
            write(folders[-1] / f"{number:0{len(str(len(pieces)))}}.mid", midi.written(piece))
    return f"as MIDI files, one a piece: {' and '.join(map(str, folders))}"


def _drawing(x: Tensor, data: Data) -> Figure:
    """Samples in the file's own values, pictures as dark and as bright as in a report."""
    from pyrogen.figures import plots
    from pyrogen.figures.shades import COUNTED, raw_limits

    return plots.samples(x, data.kind, within=raw_limits(data.test.spread(COUNTED), data.kind))


def _drawn(model: Any, options: Namespace, given: Any, words: Vocabulary | None) -> dict[str, Any]:
    """Samples "x" and their "mean", where they differ; at a temperature, or truncated, one of the two."""
    import torch

    from pyrogen.capabilities import HasGuidance, HasSampler, HasSource, HasTruncation
    from pyrogen.inference.latents.imputation import impute
    from pyrogen.inference.latents.temperature import draws_in_steps, likeliest, sample_at
    from pyrogen.inference.programs.contexts import evaluating, seeded
    from pyrogen.inference.quality.side_by_side import by_the_same_draws

    # what the models of a capability take as arguments of sample, by the option's name
    whose = {
        "truncation": (HasTruncation, "the latents of a GAN are truncated"),
        "guidance": (HasGuidance, "samples of a diffusion are guided"),
        "sampler": (HasSampler, "samplers are of a diffusion"),
    }
    ways = {name: value for name in whose if (value := getattr(options, name)) is not None}
    for name, value in ways.items():
        capability, said = whose[name]
        shown = f"--{name} {value:g}" if isinstance(value, float) else f"--{name} {type(value).__name__}"
        if not isinstance(model, capability):
            raise ValueError(
                f"{shown}: {said}, and this is a {type(model).__name__}, which is none; leave --{name} out."
            )
        if others := [o for o in ("temperature", "beams", "given") if getattr(options, o) is not None]:
            raise ValueError(f"{shown}: {said}, without --{others[0]}; leave one of the two out.")
    if options.given is not None:
        if words is None or model.x_shape[0] != 1:
            raise ValueError(
                f"--given {options.given!r} is a text of one voice, and the model in {options.run} is of none."
            )
        if options.temperature is not None or options.beams is not None:
            raise ValueError("--given draws what fits a text; leave --temperature and --beams out.")
        x, seen = words.read_gaps(options.given, model.x_shape[-1])
        found = impute(model, x, seen, None if given is None else given[:1], num_draws=options.n, seed=options.seed)
        return {"x": torch.from_numpy(found["draw"].values).reshape(options.n, *model.x_shape)}
    if options.beams is not None:
        if options.temperature is not None:
            raise ValueError(f"--beams {options.beams} searches and draws nothing; leave --temperature out.")
        return {"x": likeliest(model, options.n, options.beams, given, options.seed)}
    if options.temperature is not None:
        name = "x" if isinstance(model, HasSource) or draws_in_steps(model, given) else "mean"
        return {name: sample_at(model, options.n, options.temperature, given, options.seed)}
    sample = partial(model.sample, options.n, given, **ways)
    with evaluating(model):
        if ways and not isinstance(model, HasSampler):
            with seeded(options.seed):
                return {"x": sample()}
        means = partial(model.sample_mean, options.n, given, **ways)
        x, mean = by_the_same_draws(sample, means, options.seed, model.device)
    return {"x": x} | ({} if mean is None else {"mean": mean})
