"""Every entry of the zoo at its smallest, by the names of its arguments: a new one is tested from its first day."""

import inspect

import torch

import pyrogen
from pyrogen import registry

SMALL = {
    "latent_size": 2,
    "width": 4,
    "components": 3,
    "upper": (1,),
    "classes": 3,
    "content": 2,
    "alone": 2,
    "steps": 3,
    "levels": 2,
    "tolerance": 1e-2,
}
SHAPES = {
    **dict.fromkeys(("gan-nonsaturating", "mdn", "generator-random", "rbm-gaussian", "ebm"), (2,)),
    **dict.fromkeys(("flow-matching", "score-matching"), (2,)),
    **dict.fromkeys(("video-gan", "vae-video"), (3, 1, 8, 8)),
    "social-gan": (2, 4, 2),
    "vae-sequential": (1, 6),
}
NETS = {
    "Perceptron": {"hidden": (8,)},
    **{name: {"width": 4} for name in ("Convolutional", "Residual", "Growing", "UNet", "SequenceTransformer")},
    "ResidualTranslator": {"width": 4, "blocks": 1},
    "Upsampling": {"width": 4, "blocks": 1},
    "Patch": {"width": 4, "halvings": 1},
    "Spade": {"width": 4, "hidden": 4},
    "Styled": {"width": 4, "style": 4},
    "Moving": {"frame": {"name": "Convolutional", "width": 4, "normalization": "none"}, "motion": 2, "states": 3},
    "Layered": {"frame": {"name": "Convolutional", "width": 4, "normalization": "none"}, "motion": 2, "hidden": 4},
    "Stacked": {"of": {"name": "Convolutional", "width": 4}},
}
# what those are told who are told pictures, a second domain, or sentences of several words
TOLD = {
    **{name: {"y_shape": (2, 8, 8), "classes": None} for name in ("pix2pix", "colorize", "pix2pix-paper")},
    **{name: {"y_shape": (1, 4, 4)} for name in ("superresolution", "srgan", "srgan-paper")},
    **{name: {"y_shape": (1, 8, 8)} for name in ("cyclegan", "cyclegan-paper")},
    **{name: {"y_shape": (3,)} for name in ("text-to-image", "text-to-image-paper")},
    "multi-task": {"y_shape": (2,)},
    "vae-music": {"decoder": {"name": "Hierarchical", "bar": 4}},  # 8 steps are two bars
    "social-gan": {"y_shape": (2, 3, 2), "net": {"name": "LSTM", "width": 4}, "draws": 2},
}
TEXT = {"x_shape": (1, 8), "vocabulary": {"name": "word", "words": "a b c"}, "net": {"name": "LSTM", "width": 4}}


def small(name, seed=0, **more):
    """An entry's smallest instance, that has seen data."""
    torch.manual_seed(seed)
    idle = registry.settled(name) if "objective" in more else ()
    m = pyrogen.create(name, **{**{k: v for k, v in sizes(name).items() if k not in idle}, **more})
    m.before_training(torch.rand(8, *m.x_shape).round())
    return m


def sizes(name):
    """The arguments of an entry's smallest instance."""
    accepted = inspect.signature(registry.find("entry", name).load()).parameters
    arguments = {k: v for k, v in SMALL.items() if k in accepted}
    if "hidden" in accepted:
        usual = accepted["hidden"].default
        deep = isinstance(usual, tuple) and len(usual) > 1 and name in ("dbn", "dbm")
        arguments["hidden"] = 6 if isinstance(usual, int) else (6, 5) if deep else (8,)
    for axis in {"generator", "critic", "frame_critic", "denoiser"} & set(accepted):
        if accepted[axis].default:
            arguments[axis] = small_net(accepted[axis].default)
    if "y_shape" in accepted and "classes" not in accepted:
        arguments["y_shape"] = (2,)
    for axis in {"denoiser", "net"} & set(accepted):
        if accepted[axis].default is None:
            plain = {"name": "Perceptron", "hidden": (4,), "octaves": 1}
            arguments[axis] = plain if name in SHAPES else {"name": "UNet", "width": 4}
    words = {k: v for k, v in TEXT.items() if k in accepted} if "vocabulary" in accepted else {}
    arguments |= TOLD.get(name, {}) | words
    return {"x_shape": SHAPES.get(name, (1, 8, 8)), **arguments}


def small_net(default):
    """The network that is an entry's default, with few units."""
    described = {"name": default} if isinstance(default, str) else default
    return {**described, **NETS[described["name"]]}
