"""Choices within choices on the command line: the loss, penalty and optimizers of a game."""

import pytest
import yaml

from pyrogen.command import options
from pyrogen.command.cli import main
from pyrogen.inference import Adversarial
from pyrogen.registry import choices, describe, make
from pyrogen.vocabulary import Vocabulary

GAN = ["train", "gan-nonsaturating", "--generator.hidden", "4", "--critic.hidden", "4"]


def configured(capsys, *words):
    assert main([*GAN, *words, "--print_config"]) == 0
    return yaml.safe_load(capsys.readouterr().out)["model"]["arguments"]["objective"]


@pytest.mark.parametrize(
    "words",
    [
        ["--objective", "Adversarial(loss=RelativisticAverage, penalty=R2(weight=3))"],
        [
            "--objective",
            "Adversarial",
            "--objective.loss",
            "RelativisticAverage",
            "--objective.penalty",
            "R2(weight=3)",
        ],
        ["--objective", "Adversarial", "--objective.penalty=R2(weight=3)", "--objective.loss=RelativisticAverage"],
    ],
)
def test_a_loss_and_a_penalty_are_spelled_in_several_ways(words, capsys):
    found = configured(capsys, *words)
    assert found["loss"] == {"name": "RelativisticAverage"}
    assert found["penalty"] == {"name": "R2", "weight": 3}


@pytest.mark.parametrize(
    ("objective", "told"),
    [
        ("Adversarial(loss=RelativisticAverage)", "critic/loss"),
        ("Adversarial(penalty=R2(weight=0.5))", "critic/penalty"),
        ("Adversarial(penalty=Consistency(noise=0.02, fake_weight=1))", "critic/penalty"),
    ],
)
def test_they_are_trained_on_the_ring(objective, told, tmp_path, capsys):
    words = ["--objective", objective, "--epochs", "1", "--batch_size", "5000", "--folder", str(tmp_path / "run")]
    assert main([*GAN, *words]) == 0
    assert told in (tmp_path / "run" / "metrics.jsonl").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            "--objective RelativisticAverage",
            "is no objective but an adversarial loss; write --objective 'Adversarial(loss=",
        ),
        ("--objective R2", "R2 is no objective but a penalty; write --objective 'Adversarial(penalty=R2)'"),
        ("--objective Adversarial --objective.penalty R3", "there is no penalty called 'R3'; did you mean 'R2'"),
        (
            "--objective Adversarial --objective.penalty R2 --objective.penalty.weight 3",
            "write --objective.penalty 'R2(weight=...)'",
        ),
        (
            "--objective Adversarial --objective.critic_optimizer.lr 1",
            "write --objective.critic_optimizer 'Adam(lr=...)'",
        ),
        ("--objective Adversarial --objective.penalty R2 --objective.penalty.wait 3", "did you mean 'weight'"),
        ("--objective Adversarial --objective.penalty R2(weight=much)", "weight='much': needs a finite number"),
        ("--objective Adversarial(penalty=R2(weight=-3))", "must be finite and not below 0"),
        ("--objective.penalty R2", "belongs to Adversarial, and no objective was named"),
        (
            "--objective Adversarial --objective.critic_steps.help",
            "no option of Adversarial called 'critic_steps.help'",
        ),
        ("--likelihood.scale 3", "there is no option called '--likelihood'"),
    ],
)
def test_what_is_spelled_wrong_is_taught(words, sentence, capsys):
    assert main([*GAN, *words.split()]) == 2
    printed = capsys.readouterr().err
    assert sentence in printed
    assert printed.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            "--objective.help Adversarial",
            ["--objective.penalty PENALTY", *choices("penalty"), "(default: NonSaturating)"],
        ),
        ("--objective Adversarial --objective.loss.help", choices("adversarial loss")),
        ("--objective.penalty.help", choices("penalty")),
        (
            "--objective.penalty.help Consistency",
            ["--objective.penalty 'Consistency(...)'", "fake_weight", "(default: 0.1)"],
        ),
    ],
)
def test_help_says_what_stands_within(words, told, capsys):
    with pytest.raises(SystemExit) as stop:
        main([*GAN, *words.split()])
    assert stop.value.code == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert all(word in printed for word in told)
    assert "Unvalidated" not in printed


def test_names_in_a_written_choice_need_no_quotes():
    assert make("objective", "Adversarial(loss=Hinge, penalty=R1(weight=2))") == make(
        "objective", "Adversarial(loss='Hinge', penalty={'name': 'R1', 'weight': 2})"
    )
    assert isinstance(make("objective", "Adversarial(loss=Hinge)"), Adversarial)


@pytest.mark.parametrize(
    ("words", "critic"),
    [
        (["--critic", "Residual", "--critic.width", "4"], {"name": "Residual", "width": 4}),
        (["--critic=Residual(width=4)"], {"name": "Residual", "width": 4}),
        (["--critic", "Growing"], {"name": "Growing"}),
    ],
)
def test_choices_are_named_as_they_are_registered_and_not_as_their_classes(words, critic, capsys):
    assert main(["train", "gan-nonsaturating", *words, "--print_config"]) == 0
    found = yaml.safe_load(capsys.readouterr().out)["model"]["arguments"]["critic"]
    assert {k: found[k] for k in critic} == critic


def test_a_default_may_be_a_choice_with_a_name_of_its_own(capsys):
    assert main(["train", "biggan-paper", "--critic.width", "8", "--print_config"]) == 0
    found = yaml.safe_load(capsys.readouterr().out)["model"]["arguments"]["critic"]
    assert (found["name"], found["width"]) == ("Residual", 8)


@pytest.mark.parametrize(
    ("words", "name", "text"),
    [([], "word", "a b"), (["--read", "pitch"], "pitch", "C4 D4"), (["--read=character"], "character", "ab")],
)
def test_names_in_lower_case_are_taken(words, name, text):
    def reader(read: Vocabulary | str = "word") -> None:
        """What reads.

        Args:
            read: what it is.
        """

    parser = options.parser("reader", "What reads.")
    axes = options.add_function(parser, reader, set())
    found = options.parse(parser, [*words, "--read.words", text], axes)
    assert describe(found.read) == {"name": name, "words": text}
