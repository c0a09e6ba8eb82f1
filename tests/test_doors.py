"""What the doors refuse, over the whole zoo: sizes, numbers that are none, and conditions that were not told."""

import copy
import inspect
import math
import pickle

import pyro
import pytest
import torch
from pyro.infer import SVI, Trace_ELBO
from smallest import sizes, small

import pyrogen
from pyrogen import inference, registry
from pyrogen.inference.runs.grid import plan

ENTRIES = pyrogen.list_models()
# of the axes whose choices are described by name and arguments
AXES = [axis for axis in pyrogen.registry.axes() if axis not in ("data", "metric", "analysis")]


def accepted(name):
    """The parameters of an entry."""
    return inspect.signature(registry.find("entry", name).load()).parameters


def whole_numbers(name):
    """The arguments of an entry that are whole numbers, or several."""
    parameters = accepted(name).values()
    return {p.name: p.annotation for p in parameters if "int" in str(p.annotation).replace("Mapping[", "")}


# those that are refused by what they are an argument of: k draws of IWAE, the shape of y that is none of x
IN_OTHER_WORDS = {"draws": "k=-1", "y_shape": "y has"}


@pytest.mark.parametrize("name", ENTRIES)
def test_what_has_a_size_has_one_of_1_or_more(name):
    given = sizes(name)
    for argument, annotation in whole_numbers(name).items():
        if annotation.startswith("Sequence[Sequence"):
            continue
        wrong = (-1,) if annotation.startswith("Sequence") else -1
        said = IN_OTHER_WORDS.get(argument, argument)
        with pytest.raises(ValueError, match=rf"\b(?:{argument}|{said})\b"):
            pyrogen.create(name, **{**given, argument: wrong})
    with pytest.raises(ValueError, match="x_shape"):
        pyrogen.create(name, **{**given, "x_shape": ()})


@pytest.mark.parametrize("name", [name for name in ENTRIES if "kind" in accepted(name)])
def test_a_kind_that_is_none_is_refused(name):
    with pytest.raises(ValueError, match="unti"):
        pyrogen.create(name, **{**sizes(name), "kind": "unti"})


def numbers(axis, name):
    """The arguments of a choice that are real numbers."""
    parameters = inspect.signature(registry.find(axis, name).load()).parameters.values()
    return [p.name for p in parameters if p.annotation in ("float", "float | None")]


CHOICES = [(axis, name) for axis in AXES for name in pyrogen.choices(axis) if numbers(axis, name)]


@pytest.mark.parametrize(("axis", "name"), CHOICES)
def test_a_number_is_finite(axis, name):
    for argument in numbers(axis, name):
        for wrong in (math.nan, math.inf):
            with pytest.raises(ValueError, match=f"{argument}=|finite"):
                registry.make(axis, {"name": name, argument: wrong})


# whose decoder looks at codes alone: it is their prior that looks at y
UNASKED = {(method, "vqvae-conditional") for method in ("decode", "generate")}
TOLD = [name for name in ENTRIES if {"classes", "y_shape"} & set(sizes(name))]


@pytest.mark.parametrize("name", TOLD)
def test_what_has_to_be_told_y_says_so(name):
    model = small(name)
    if not model.is_told:
        pytest.skip("it infers y")
    x, step = torch.zeros(3, *model.x_shape), torch.ones(3, dtype=torch.long)
    asked = {
        "model": lambda: model.model(x),
        "decode": lambda: model.decode(torch.zeros(3, *model.latent_shape)),
        "generate": lambda: model.generate(torch.zeros(3, *model.latent_shape)),
        "log_prob": lambda: model.log_prob(x),
        "denoise": lambda: model.denoise(x, step),
        "step_nats": lambda: model.step_nats(x, step),
        "sample": lambda: model.sample(3),
    }
    for method, ask in asked.items():
        if hasattr(model, method) and (method, name) not in UNASKED:
            with pytest.raises(ValueError, match=r"got no y: pass|; pass y\."):
                ask()


@pytest.fixture(scope="module")
def vae():
    torch.manual_seed(0)
    return pyrogen.create("vae", x_shape=(1, 8, 8), latent_size=2, hidden=(8,))


@pytest.fixture(scope="module")
def told():
    torch.manual_seed(0)
    return pyrogen.create("vae-conditional", x_shape=(4,), classes=3, latent_size=2, prior="ConditionalNormal")


@pytest.fixture(scope="module")
def sequential():
    torch.manual_seed(0)
    return small("vae-sequential")


Z, STEPS = torch.zeros(2), torch.zeros(1, 3)
PAIR = torch.zeros(2, 1, 8, 8)
REFUSED = {
    "a coordinate": (lambda v, t: inference.traverse(v, Z, [99], STEPS), "has no coordinate 99; they are 0 to 1"),
    "a coordinate of a plane": (lambda v, t: inference.traverse_plane(v, Z, (0, -3), Z, Z), "no coordinate -3"),
    "values": (lambda v, t: inference.traverse(v, Z, [0, 1], STEPS), r"for each of the 2 coordinates; got \(1, 3\)"),
    "steps": (lambda v, t: inference.interpolate(v, PAIR, PAIR, steps=-1), "steps=-1: needs 1 or more"),
    "latents": (lambda v, t: inference.draw_latents(v, -1), "n=-1: the number of draws"),
    "conditions": (
        lambda v, t: inference.draw_latents(t, 10, torch.zeros(3).long()),
        r"y of shape \(10,\); got \(3,\)",
    ),
    "draws": (lambda v, t: inference.sample_at(v, -1, 1.0), "n=-1: the number of draws"),
    "noisy draws": (lambda v, t: inference.Observed(v, 0.1).sample(-1), "n=-1: the number of draws"),
    "segments": (lambda v, t: inference.geodesic(inference.Surface(v), Z, Z + 1, segments=33), "and these are 33"),
    "chunks": (lambda v, t: inference.log_evidence(v, PAIR, chunk_size=0), "chunk_size=0: needs 1 or more"),
    "chunks in words": (lambda v, t: inference.log_evidence(v, PAIR, chunk_size="9"), "'9': needs a whole number"),
    "draws in words": (lambda v, t: inference.sample_posterior(v, PAIR, draws="500"), "'500': needs a whole number"),
    "a number in words": (lambda v, t: inference.assess(v, "digits", num="a"), "num='a': needs a whole number"),
    "an idle encoder": (
        lambda v, t: inference.invert(v, PAIR, encoder=torch.nn.Identity()),
        "method='encoder' or 'both'",
    ),
    "no model": (lambda v, t: inference.robustness("vae", "digits"), "model= takes a model, .*; got str"),
    "no samples": (lambda v, t: inference.assess("vae", "digits"), "or samples as a tensor; got str"),
    "no data": (lambda v, t: inference.assess(v, object()), "object"),
    "a letter": (lambda v, t: inference.predictive_check(v, PAIR, statistics="mean of all"), "'mean of all'"),
    "a score": (lambda v, t: inference.outlier_scores(v, PAIR, PAIR, scores="typical"), "called 'typical'"),
    "a rival": (lambda v, t: inference.compare_representations(v, "digits", rivals="Pixel"), "called 'Pixel'"),
    "a factor score": (
        lambda v, t: inference.disentanglement(torch.rand(30, 2), torch.arange(60).reshape(30, 2) % 3, "mix"),
        "called 'mix'",
    ),
}


@pytest.mark.parametrize(("ask", "message"), REFUSED.values(), ids=REFUSED)
def test_verbs_refuse_what_means_nothing(ask, message, vae, told):
    with pytest.raises(ValueError, match=message):
        ask(vae, told)


def test_one_value_is_an_axis_of_one():
    axes, cells = plan({"prior": "VampPrior", "latent_size": 2}, "vae", "nowhere", [0], {})
    assert axes == {"prior": ["VampPrior"], "latent_size": [2]}
    assert len(cells) == 1


def test_verbs_take_data_as_fit_does(vae):
    digits = pyrogen.data.load("digits", kind="binary")
    samples = vae.sample(60)
    arguments = {"measures": ["edges"], "num": 60}
    first = inference.assess(samples, digits, **arguments)
    assert inference.assess(samples.numpy(), "digits", **arguments).results.equals(first.results)


def test_one_condition_is_that_of_both_ends(told):
    x, y = torch.zeros(3, 4), torch.tensor([0, 1, 2])
    walks = inference.interpolate(told, x, x + 1, steps=4, y=y)
    assert torch.equal(walks, inference.interpolate(told, x, x + 1, steps=4, y=(y, y)))


def test_a_surface_is_at_its_condition():
    torch.manual_seed(0)
    gan = pyrogen.create("cgan", x_shape=(4,), classes=3, latent_size=2, kind="real")
    z = torch.randn(5, 2)
    for k in (0, 2):
        y = torch.tensor(k)
        made = gan.eval().generate(z, y.expand(5))
        torch.testing.assert_close(inference.Surface(gan, y=y)(z), made)


def test_states_are_followed_from_all_that_are_data(sequential):
    x = torch.rand(4, *sequential.x_shape)
    one = inference.filter_states(sequential, x, particles=10)
    assert inference.filter_states(sequential, x.double().numpy(), particles=10).equals(one)
    with pytest.raises(ValueError, match="proposal='gide': choose 'prior' or 'guide'"):
        inference.filter_states(sequential, x, proposal="gide")
    with pytest.raises(ValueError, match="proposal='gide': choose 'prior' or 'guide'"):
        inference.smooth_states(sequential, x, proposal="gide")


def test_weights_are_of_all_that_are_data(vae):
    part = pyrogen.data.load("digits", kind="binary").test.take(5)
    found = inference.log_weights(vae, part, num_samples=20)
    assert inference.log_weights(vae, part.x.numpy(), num_samples=20).equals(found)


@pytest.mark.parametrize("name", [name for name in ENTRIES if registry.settled(name)])
def test_what_makes_the_objective_is_refused_beside_another(name):
    parameters = accepted(name)
    for argument in registry.settled(name):
        usual = parameters[argument].default
        other = {"critic": "Perceptron", "norm": "2"}.get(argument) or usual + 1
        objective = parameters["objective"].default or "ELBO"
        with pytest.raises(ValueError, match=rf"objective of .*{argument}.* where .* leave one of the two out"):
            pyrogen.create(name, **{**sizes(name), argument: other, "objective": objective})
    small(name, objective="ELBO" if "rbm" not in name else "PersistentContrastiveDivergence")


@pytest.mark.parametrize("name", ENTRIES)
def test_a_double_model_is_sampled(name, conditions):
    model = small(name).double().eval()
    if not getattr(getattr(model, "prior", None), "proper", True):
        model.after_training(torch.rand(8, *model.x_shape).round())
    assert model.sample(3, conditions(model, 3)).isfinite().all()


def test_what_is_no_network_is_refused():
    with pytest.raises(ValueError, match=r"the encoder is a network, an object of a torch\.nn\.Module; got function"):
        pyrogen.create("vae", x_shape=(4,), encoder=lambda x: x)
    with pytest.raises(ValueError, match=r"got the class Linear, write Linear\(\.\.\.\)"):
        pyrogen.create("vae", x_shape=(4,), decoder=torch.nn.Linear)


@pytest.mark.parametrize("package", ["priors", "likelihoods", "posteriors"])
def test_a_star_imports_the_choices(package):
    found: dict = {}
    exec(f"from pyrogen.{package} import *", found)
    assert set(pyrogen.choices(package.removesuffix("s"))) <= set(found)


def test_a_model_that_pyro_trained_can_be_pickled(vae):
    model = copy.deepcopy(vae)
    svi = SVI(model.model, model.guide, pyro.optim.Adam({"lr": 1e-3}), Trace_ELBO())
    svi.step(torch.rand(5, 1, 8, 8).round())
    pyro.clear_param_store()
    again = pickle.loads(pickle.dumps(model))
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters(), strict=True))
    SVI(again.model, again.guide, pyro.optim.Adam({"lr": 1e-3}), Trace_ELBO()).step(torch.rand(5, 1, 8, 8).round())
    assert not all(torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters(), strict=True))
