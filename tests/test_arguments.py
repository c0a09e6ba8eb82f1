"""Arguments are what their annotations say, made so where it is plain what is meant, or refused in a sentence."""

import re

import numpy as np
import pytest
import torch

import pyrogen
from pyrogen import plain_yaml, registry
from pyrogen.arguments import conform
from pyrogen.command.cli import main
from pyrogen.inference import ELBO, IWAE
from pyrogen.inference.training.fit import check_settings
from pyrogen.priors import VampPrior


def example(
    n: "int" = 1,
    rate: "float | None" = None,
    name: "str" = "",
    switch: "bool" = False,
    sizes: "Sequence[int]" = (),  # noqa: F821
    words: "str | Sequence[str] | None" = None,  # noqa: F821
    other: "dict[str, int]" = None,  # noqa: RUF013
) -> None:
    pass


MADE = [
    ("n", np.int64(3), 3),
    ("n", torch.tensor(3), 3),
    ("rate", 2, 2),
    ("rate", np.float32(0.5), 0.5),
    ("rate", None, None),
    ("switch", np.True_, True),
    ("sizes", 8, (8,)),
    ("sizes", np.int64(8), (8,)),
    ("sizes", [8, 4], [8, 4]),
    ("sizes", np.array([8, 4]), (8, 4)),
    ("sizes", torch.Size([8]), torch.Size([8])),
    ("words", "a", "a"),
    ("words", ["a", "b"], ["a", "b"]),
    ("other", "anything", "anything"),
]


@pytest.mark.parametrize(("name", "given", "made"), MADE, ids=[f"{n}-{v!r}" for n, v, _ in MADE])
def test_what_is_plain_is_made_so(name, given, made):
    found = conform(example, {name: given})[name]
    assert found == made
    assert type(found) is type(made)


@pytest.mark.parametrize(
    ("name", "given", "needs"),
    [
        ("n", 1.5, "a whole number"),
        ("n", "3", "a whole number"),
        ("n", True, "a whole number"),
        ("n", [3], "a whole number"),
        ("n", None, "a whole number"),
        ("rate", "fast", "a finite number or None"),
        ("rate", [1.0], "a finite number or None"),
        ("name", 3, "a string"),
        ("switch", "yes", "True or False"),
        ("sizes", "8", "whole numbers, as (8, 4)"),
        ("sizes", [8.5], "whole numbers, as (8, 4)"),
        ("sizes", {"a": 1}, "whole numbers, as (8, 4)"),
        ("words", 3, "a string or strings, as ('a', 'b') or None"),
    ],
)
def test_what_is_something_else_is_refused(name, given, needs):
    with pytest.raises(ValueError, match=rf"^{name}=.*: needs {re.escape(needs)}\.$"):
        conform(example, {name: given})


EVERY = [(axis, r.name) for axis in ("entry", *registry.axes()) for r in registry.registrations(axis)]


def taken(function, argument, value):
    """What an argument becomes, or why it is refused."""
    try:
        return conform(function, {argument: value})[argument]
    except ValueError as error:
        return str(error)


def test_one_number_is_a_sequence_of_one_wherever_one_is_asked_for():
    found = {"Sequence[int]": {}, "int": {}}
    for axis, name in EVERY:
        thing = registry.find(axis, name).load()
        function = thing.__init__ if isinstance(thing, type) else thing
        for argument, parameter in registry.inspect.signature(function).parameters.items():
            if parameter.annotation in found:
                given = 1.5 if parameter.annotation == "int" else 8
                found[parameter.annotation][axis, name, argument] = taken(function, argument, given)
    several, whole = found["Sequence[int]"], found["int"]
    assert len(several) > 100
    assert len(whole) > 300
    assert {key: became for key, became in several.items() if became != (8,)} == {}
    assert {key: said for key, said in whole.items() if f"{key[2]}=1.5: needs a whole number" not in str(said)} == {}


def test_models_choices_and_settings_take_them():
    for hidden in (8, np.int64(8), (8,)):
        model = pyrogen.create("vae", x_shape=np.array([1, 8, 8]), latent_size=np.int64(2), hidden=hidden)
        assert model.origin["arguments"]["hidden"] == [8]
        assert model.origin["arguments"]["latent_size"] == 2
    with pytest.raises(ValueError, match=r"^hidden='many': needs whole numbers"):
        pyrogen.create("vae-iaf", x_shape=(1, 8, 8), hidden="many")
    for wrong in (lambda: VampPrior(components=2.5), lambda: IWAE("many"), lambda: ELBO(beta="x")):
        with pytest.raises(ValueError, match=r"^\w+=.*: needs a (whole|finite) number"):
            wrong()
    with pytest.raises(ValueError, match=r"^components=\(2,\): needs a whole number"):
        pyrogen.create("vae", x_shape=(1, 8, 8), prior={"name": "VampPrior", "components": [2]})
    assert check_settings({"epochs": np.int64(2), "lr_milestones": 2, "seed": np.int64(3)}) == {
        "epochs": 2,
        "lr_milestones": (2,),
        "seed": 3,
    }


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"epochs": 1.5}, "epochs=1.5: needs a whole number"),
        ({"epochs": -1}, "epochs=-1: needs epochs >= 0"),
        ({"batch_size": 0}, "batch_size=0: needs batch_size >= 1"),
        ({"seed": 2**64 - 1}, "seed=18446744073709551615: needs a whole number of at most 63 bits"),
        ({"device": "meta"}, "device='meta' cannot be used here"),
        ({"device": "tpu"}, "device='tpu' cannot be used here"),
        ({"lr": "fast"}, "lr='fast': needs a finite number"),
        ({"lr": float("nan")}, "lr=nan: needs a finite number"),
        ({"checkpoint_seconds": -1}, "checkpoint_seconds=-1: needs 0 or more"),
        ({"resume": "yes", "folder": "x"}, "resume='yes': needs True or False"),
    ],
)
def test_settings_are_refused_before_work_begins(given, said):
    with pytest.raises(ValueError, match=rf"^{said}"):
        check_settings(given)


BOMB = "a0: &a0 [x, x]\n" + "\n".join(f"a{i + 1}: &a{i + 1} [{', '.join([f'*a{i}'] * 9)}]" for i in range(30))
FLOWING = "{name: VampPrior, components: &a [1, 1], b: &b [*a, *a, *a], c: [*b, *b]}"


def test_yaml_is_read_as_it_is_written():
    assert plain_yaml.read("a: [1, x]\nb: {c: 2.5}") == {"a": [1, "x"], "b": {"c": 2.5}}
    for text, said in ((BOMB, "anchor &a0 is not expanded"), ("[" * 9000, "nested too deep"), ("a: [", "expected")):
        with pytest.raises(ValueError, match=said):
            plain_yaml.read(text)


@pytest.mark.parametrize(
    "words",
    [
        ["train", "vae", "--prior", FLOWING],
        ["train", "vae", f"--prior={FLOWING}"],
        ["train", "vae", "--hidden", "[&a 8, *a]"],
        ["train", "vae", "--columns", BOMB],
        ["train", "vae", "--prior", "[" * 9000],
        ["train", "--config", "{bomb}"],
        ["evaluate", "{run}"],
        ["evaluate", "nowhere", "--estimator", FLOWING],
        ["compare", "--grid", f"prior={FLOWING}"],
        ["compare", "--grid", "prior=VampPrior", "--objective", FLOWING],
        ["compare", "--grid", f"prior.components={'[' * 9000}"],
        ["compare", "--grid", f"prior.components={'-' * 90000}1"],
    ],
    ids=lambda words: " ".join(words)[:50],
)
def test_nothing_is_expanded_before_it_is_accepted(words, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bomb.yaml").write_text(BOMB)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.yaml").write_text(BOMB)
    named = {"{bomb}": "bomb.yaml", "{run}": "run"}
    assert main([named.get(word, word) for word in words]) == 2
    printed = capsys.readouterr().err
    assert printed.count("\n") == 1
    assert len(printed) < 1000


def test_a_description_that_holds_itself_again_and_again_is_refused():
    parts = [1]
    for _ in range(60):
        parts = [parts, parts]
    with pytest.raises(ValueError, match="more than 100000 parts"):
        registry.make("prior", {"name": "VampPrior", "components": parts})
