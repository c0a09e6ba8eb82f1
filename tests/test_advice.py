"""What the library advises is said in the words of the place, and works there: every flag in every message is parsed."""

import ast
import re
import shlex
from pathlib import Path

import pytest

from pyrogen.command import completion, speech
from pyrogen.command.cli import main

ROOT = Path(__file__).resolve().parents[1]
OF_EVALUATE = ("estimator", "weights", "split", "limit", "flagged_by", "sigma", "chunk_size")
OPTIONS = {name: name for name in (*completion.training_options(), *OF_EVALUATE)}
# what stands for a value that a message computes
EXAMPLES = {
    "--binarization": "static",
    "--kind": "binary",
    "--objective": "ELBO",
    "--likelihood": "Normal",
    "--posterior": "DiagonalNormal",
    "--prior": "StandardNormal",
    "--precision": "bf16",
    "--device": "cpu",
    "--compile": "true",
    "--validate": "true",
    "--folder": "runs/x",
    "--lr_milestones": "2,3",
    "--lr_decay": "0.5",
    "--ema": "0.5",
    "--estimator": "ELBO",
}

MESSAGES = {
    "load them with kind='binary'.": "load them with --kind binary.",
    "use prior='Flat' with posterior='PointMass'.": "use --prior Flat with --posterior PointMass.",
    "as objective=ELBO(warmup=1000), a smaller": "as --objective 'ELBO(warmup=1000)', a smaller",
    "score by estimator=Reconstruction().": "score by --estimator Reconstruction.",
    "the same again with resume=True goes on": "the same again with --resume true goes on",
    "lr_milestones=[5, 3]: needs": "--lr_milestones 5,3: needs",
    "lower batch_size (now 128)": "lower --batch_size (now 128)",
    "use create('rbm', hidden=20)": "use create('rbm', hidden=20)",
    "VampPrior(components=500)": "VampPrior(components=500)",
    "got x_shape=(1, 8, 8); see": "got x_shape=(1, 8, 8); see",
    "leave objective=None.": "leave --objective out.",
    "as in --grid prior=StandardNormal,VampPrior": "as in --grid prior=StandardNormal,VampPrior",
    "name it by folder=...": "name it by --folder ...",
    "lr=1e-3.": "--lr 1e-3.",
    "in /a/latent_size/b and 'latent_size'": "in /a/latent_size/b and 'latent_size'",
}


@pytest.mark.parametrize("python", MESSAGES)
def test_python_words_are_said_as_shell_words(python):
    assert speech.in_words(python, OPTIONS) == MESSAGES[python]


def messages(path):
    """The strings of a source that a reader may see, with V for what they compute."""
    left = [ast.parse(path.read_text(encoding="utf-8"))]
    while left:
        node = left.pop()
        documented = isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and isinstance(
            node.body[0], ast.Expr
        )
        if not isinstance(node, ast.JoinedStr):
            left += (child for child in ast.iter_child_nodes(node) if not (documented and child is node.body[0]))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
            yield node.value
        elif isinstance(node, ast.JoinedStr):
            parts = [
                v.value if isinstance(v, ast.Constant) else ("'V'" if v.conversion == 114 else "V") for v in node.values
            ]
            yield "".join(parts)


def advised():
    """Every ``--flag value`` of the library, by what it is of."""
    found = {}
    for room in ("pyrogen", "inference", "models"):
        for path in sorted((ROOT / room).rglob("*.py")):
            if path.name in ("report.py", "completion.py", "speech.py"):  # a style sheet, a script, and the translator
                continue
            for message in messages(path):
                said = speech.in_words(message, OPTIONS)
                for flag, value in re.findall(r"(--[a-z_]+) ('[^']*'|[\w.,-]+(?:\(\w*\))?)", said):
                    if flag.removeprefix("--") in OPTIONS and "2,8" not in value:  # a grid's
                        found.setdefault((flag, value.rstrip(".,")), f"{path.relative_to(ROOT)}: {said[:80]}")
    return found


# words that follow a flag in a sentence, as in "--patience counts epochs"
SENTENCES = set(
    re.findall(r"\w+", "needs takes belongs counts makes resizes reads gives leaves out on of parts and or")
)
ADVISED = {
    (flag, EXAMPLES.get(flag, "1") if value in ("V", "'V'") else value): where
    for (flag, value), where in advised().items()
    if value.rstrip(":;") not in SENTENCES and value.strip(".") and "network" not in value  # which only Python can pass
}


def test_there_is_advice_to_judge():
    flags = {flag for flag, _ in ADVISED}
    assert {"--kind", "--prior", "--posterior", "--likelihood", "--estimator", "--overwrite", "--resume"} <= flags


@pytest.mark.parametrize(("flag", "value"), ADVISED, ids=[f"{flag} {value}" for flag, value in ADVISED])
def test_what_is_advised_is_accepted_by_the_parser(flag, value, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = shlex.split(f"{flag} {value}")
    if flag.removeprefix("--") in OF_EVALUATE:
        assert main(["evaluate", "nowhere", *words]) == 2
        assert "nowhere is not a run's folder" in capsys.readouterr().err
        return
    status = main(["train", "vae", *words, "--data", "digits", "--print_config"])
    assert status == 0, (capsys.readouterr().err, ADVISED[flag, value])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("advice")


@pytest.mark.rotating
def test_what_training_says_to_type_next_works(folder, capsys):
    for words in ("vae --hidden 8 --latent_size 2", "rbm --hidden 30", "autoencoder --hidden 8"):
        target = folder / words.split()[0]
        assert main(["train", *words.split(), "--data", "digits", "--epochs", "1", "--folder", str(target)]) == 0
    printed = capsys.readouterr().out
    commands = re.findall(r"score it: pyrogen (.*)", printed)
    for command, estimator in zip(commands, ("IWAE(2)", "AIS(4, 4)"), strict=True):
        assert main([*shlex.split(command), "--estimator", estimator, "--limit", "3"]) == 0
    refused = dict(re.findall(r"it has no score by pyrogen (.*?): (.*)", printed))
    assert len(refused) == 1
    for command, reason in refused.items():
        capsys.readouterr()
        assert main(shlex.split(command)) == 2  # as it said
        assert reason in capsys.readouterr().err
        better = re.search(r"score by (--estimator \w+)", reason)
        assert main([*shlex.split(command), *better[1].split(), "--limit", "3"]) == 0


def test_refusals_name_what_then_works(tmp_path, capsys):
    words = ["train", "vae", "--data", "digits", "--hidden", "8", "--epochs", "1", "--folder", str(tmp_path / "a")]
    assert main([*words, "--kind", "unit"]) == 2
    kind = re.search(r"load them with (--kind \w+)", capsys.readouterr().err)[1].split()
    assert main([*words, *kind]) == 0
    assert main([*words, *kind]) == 2
    said = capsys.readouterr().err
    assert "(--" not in said
    for advice in re.findall(r"(--(?:resume|overwrite) true)", said):
        assert main([*words, *kind, *advice.split()]) == 0
    assert main([*words, "--prior", "Flat", "--overwrite"]) == 2
    pair = re.search(r"use (--posterior \w+) with (--prior \w+), or", capsys.readouterr().err)
    assert main([*words, "--overwrite", *pair[1].split(), *pair[2].split()]) == 0


def test_warnings_speak_shell_on_the_command_line_only(capsys, caplog):
    import logging

    log = logging.getLogger("pyrogen")
    with speech.in_shell_words():
        speech.understand(["objective"])
        log.warning("try objective=ELBO(warmup=%d)", 1000)
    log.warning("try objective=ELBO(warmup=1000)")
    printed = capsys.readouterr().err
    assert printed == "pyrogen: warning: try --objective 'ELBO(warmup=1000)'\n"
    assert caplog.messages[-1] == "try objective=ELBO(warmup=1000)"
