"""The command line: the same words as in Python, one verb each. ``--help`` and ``list`` do not import torch."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

import pyrogen
from pyrogen import registry
from pyrogen.command import speech
from pyrogen.files import message

VERBS = {
    "list": "name the models of the zoo, or the choices on an axis",
    "fetch": "bring a trained model into a folder: one that comes with the package, or user/name on the Hugging Face hub",
    "train": "train a model of the zoo on data, into a folder",
    "evaluate": "estimate log p(x) of a trained model, with its errors",
    "sample": "draw data from a trained model, as a picture and as numbers",
    "latents": "ask what a trained model's latents mean, and whether its encoder is right; with pictures and a verdict",
    "probe": "read labels off what trained models make of data, beside pixels, principal components and untrained ones",
    "explore": "walk through a trained model's latents on a page of your browser",
    "compare": "set trained models side by side, with paired differences; --grid trains a product of choices first",
    "report": "write a run's report again",
    "prove": "run the claims of the zoo's entries, and their controls",
    "demo": "train, score, analyse and report a small VAE on real digits, in about a minute",
    "completion": "print a completion script for bash or zsh",
}
FAILED, REFUSED, STOPPED = 1, 2, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        The exit status: 0; 2 for what was refused as it was asked, whatever is wrong with the words; 1 for what was begun
        and failed (no room, no memory, a loss that is not finite, a claim that is not met); 130 for what was stopped.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(
        prog="pyrogen",
        description="A zoo of deep generative models: swap one assumption, read a number you can trust.",
        epilog="pyrogen VERB --help says more, pyrogen train MODEL --help most.",
    )
    parser.add_argument("--version", action="version", version=f"pyrogen {pyrogen.__version__}")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB")
    for verb, summary in VERBS.items():
        verbs.add_parser(verb, help=summary, add_help=False)
    if not arguments:
        parser.print_help()
        return REFUSED
    verb = arguments[0]
    if verb in ("-h", "--help", "--version"):
        parser.parse_args(arguments[:1])
    if verb not in VERBS:
        kind, names = ("option", ["--help", "--version"]) if verb.startswith("-") else ("command", list(VERBS))
        return _complain(registry.unknown(kind, verb, names), REFUSED)
    with speech.in_shell_words():
        return _run(verb, _underscored(arguments[1:]))


def _run(verb: str, arguments: list[str]) -> int:
    try:
        status: int = importlib.import_module(f"pyrogen.command.verbs.{verb}").run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:  # as of `pyrogen list | head -1`, who has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # where Python's own last flush may go
        return 0
    except ValueError as error:
        return _complain(error, REFUSED)
    except (FloatingPointError, MemoryError, OSError) as error:
        return _complain(error, FAILED)
    except KeyboardInterrupt as stopped:
        return _complain(str(stopped) or "stopped.", STOPPED)
    return status


def _underscored(arguments: Sequence[str]) -> list[str]:
    """The arguments with options as Python spells them: ``--latent-size`` is ``--latent_size``."""
    split = (word.partition("=") for word in arguments)
    return [
        f"--{flag[2:].replace('-', '_')}{equals}{value}" if flag[:2] == "--" else f"{flag}{equals}{value}"
        for flag, equals, value in split
    ]


def _complain(error: BaseException | str, status: int) -> int:
    print(f"pyrogen: {speech.told(error if isinstance(error, str) else message(error))}", file=sys.stderr)
    return status
