"""Names: finding them, near misses, what does not fit, and names of the user's own."""

import inspect
import json
from pathlib import Path

import pyro.distributions as dist
import pytest
import torch
from torch import nn

import pyrogen
from pyrogen import catalogue, inference, registry
from pyrogen.axes import Prior
from pyrogen.base import Objective
from pyrogen.command import completion
from pyrogen.inference import ELBO, IWAE
from pyrogen.inference.proofs.claims import claims_of
from pyrogen.likelihoods import Bernoulli
from pyrogen.posteriors import DiagonalNormal
from pyrogen.priors import StandardNormal, VampPrior

ROOT = Path(__file__).resolve().parents[1]


class Wide(Prior):
    """A normal prior of the user's own."""

    def __init__(self, scale: float = 3.0) -> None:
        super().__init__()
        self.scale = scale

    def size(self, latent_size: int) -> None:
        """Take the latent size."""
        self.register_buffer("unit", torch.ones(latent_size), persistent=False)

    def forward(self, y=None):
        """N(0, scale²)."""
        return dist.Normal(0 * self.unit, self.scale * self.unit).to_event(1)


def test_a_part_of_the_users_own_is_printed_wherever_it_keeps_its_arguments():
    class Narrow(Wide):
        def __init__(self, width: float, scale: float) -> None:
            super().__init__(scale)
            self._width = width

    assert repr(Narrow(1.0, 3.0)) == "Narrow(scale=3.0)"


@pytest.mark.parametrize(
    ("pattern", "some", "none"),
    [
        ("*", {"vae", "gan-nonsaturating", "rbm", "made", "autoencoder"}, set()),
        ("*vae*", {"vae", "beta-vae", "vae-vamp"}, {"made", "rbm"}),
        ("vae-?d", {"vae-2d"}, {"vae", "vae-conv"}),
        ("vae", {"vae"}, {"vae-2d"}),
        ("nothing-*", set(), {"vae"}),
    ],
)
def test_globs(pattern, some, none):
    found = pyrogen.list_models(pattern)
    assert found == sorted(found)
    assert some <= set(found)
    assert not none & set(found)


@pytest.mark.parametrize(
    ("axis", "some"),
    [
        ("prior", {"StandardNormal", "Laplace", "StudentT", "MixtureOfGaussians", "VampPrior", "FlowPrior", "Flat"}),
        (
            "likelihood",
            {"Bernoulli", "ContinuousBernoulli", "Normal", "Laplace", "Categorical", "DiscretizedLogisticMixture"},
        ),
        ("posterior", {"DiagonalNormal", "FullRankNormal", "PointMass"}),
        ("objective", {"ELBO", "IWAE", "Adversarial", "ContrastiveDivergence"}),
        ("data", {"digits", "mnist", "fashion-mnist", "ring"}),
    ],
)
def test_choices(axis, some):
    assert some <= set(pyrogen.choices(axis))


@pytest.mark.parametrize("name", pyrogen.list_models())
def test_every_entry_is_documented(name):
    record = registry.find("entry", name)
    assert record.summary
    assert record.details["reference"]
    data = record.details["data"].partition("(")[0]
    assert data in pyrogen.choices("data")
    assert record.load().__name__ == record.attribute


def create(**arguments):
    return pyrogen.create("vae", **{"x_shape": (4,), "latent_size": 2, "hidden": (3,), **arguments})


REFUSALS = {
    "a near name": (lambda: pyrogen.create("vea"), r"no model called 'vea'; did you mean .*'vae'"),
    "capitals": (lambda: pyrogen.create("VAE"), r"no model called 'VAE'; did you mean .*'vae'"),
    "no near name": (lambda: pyrogen.create("qqqqqq"), r"no model called 'qqqqqq'; there are: .*autoencoder.*vae"),
    "axis": (lambda: pyrogen.choices("pryor"), r"no axis called 'pryor'; did you mean 'prior'"),
    "missing argument": (lambda: pyrogen.create("vae"), r"'vae' needs x_shape"),
    "unknown argument": (lambda: create(latent=3), r"no argument of 'vae' called 'latent'; did you mean 'latent_size'"),
    "prior": (lambda: create(prior="VampPiror"), r"no prior called 'VampPiror'; did you mean 'VampPrior'"),
    "likelihood": (lambda: create(likelihood="bernoulli"), r"no likelihood .*'bernoulli'; did you mean .*'Bernoulli'"),
    "dotted path": (lambda: create(posterior="os.system"), r"no posterior called 'os.system'"),
    "unknown argument of a prior": (
        lambda: create(prior={"name": "VampPrior", "component": 5}),
        r"no argument of VampPrior called 'component'; did you mean 'components'",
    ),
    "mapping without a name": (lambda: create(prior={"components": 5}), r"prior"),
    "likelihood as prior": (
        lambda: create(prior=Bernoulli()),
        r"prior= takes an object of this axis .*got the likelihood Bernoulli",
    ),
    "prior as likelihood": (
        lambda: create(likelihood=StandardNormal()),
        r"likelihood= takes an object of this axis .*got the prior StandardNormal",
    ),
    "layer as posterior": (
        lambda: create(posterior=nn.Linear(2, 2)),
        r"posterior= takes an object of this axis .*type Linear",
    ),
    "number as prior": (lambda: create(prior=5), r"prior= takes an object of this axis .*int"),
    "none as prior": (lambda: create(prior=None), r"prior= takes an object of this axis"),
    "class as prior": (lambda: create(prior=VampPrior), r"prior.*VampPrior"),
    "another class as prior": (
        lambda: create(prior=int),
        r"prior= takes an object of this axis or its name .*got the class int\.",
    ),
    "no latents": (lambda: create(latent_size=0), r"latent_size=0"),
    "no shape": (lambda: create(x_shape=()), r"x_shape=\(\)"),
    "objective": (lambda: create(objective="ELBOW"), r"no objective called 'ELBOW'; did you mean 'ELBO'"),
    "posterior as objective": (
        lambda: create(objective=DiagonalNormal()),
        r"objective= .*the posterior DiagonalNormal",
    ),
    "flow of one": (lambda: create(prior="FlowPrior", latent_size=1), r"FlowPrior .*latent_size=1"),
    "pixels of a vector": (
        lambda: create(likelihood="DiscretizedLogisticMixture"),
        r"DiscretizedLogisticMixture .*x_shape=\(4,\)",
    ),
    "odd image": (lambda: pyrogen.create("vae-conv", x_shape=(1, 3, 3)), r"x_shape=\(1, 3, 3\)"),
    "coupled channels": (
        lambda: pyrogen.create("made", x_shape=(3, 4), likelihood="DiscretizedLogisticMixture"),
        r"MADE .*DiscretizedLogisticMixture",
    ),
}


@pytest.mark.parametrize(("call", "message"), REFUSALS.values(), ids=REFUSALS)
def test_refusals(call, message):
    with pytest.raises(ValueError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_objects_names_and_mappings_agree():
    made = [create(prior=p) for p in (VampPrior(components=3), {"name": "VampPrior", "components": 3})]
    assert made[0].origin == made[1].origin
    assert made[0].origin["entry"] == "vae"
    assert made[0].origin["arguments"]["prior"] == {"name": "VampPrior", "components": 3}
    assert made[0].prior.pseudo.shape == (3, 4)


def test_an_object_is_a_description_that_many_models_may_share():
    prior = VampPrior(components=3)
    first, second = create(prior=prior), create(prior=prior)
    assert not list(prior.parameters())
    assert first.prior is not second.prior
    assert not {id(p) for p in first.parameters()} & {id(p) for p in second.parameters()}


def test_origin_is_that_of_the_outermost_entry():
    m = pyrogen.create("beta-vae", x_shape=(4,), beta=2.0)
    assert m.origin["entry"] == "beta-vae"
    assert m.origin["arguments"]["beta"] == 2.0
    assert isinstance(m.objective, ELBO)
    assert m.objective.beta == 2.0


@pytest.mark.parametrize("spec", [IWAE(3), "IWAE", {"name": "IWAE", "k": 3}], ids=["object", "name", "mapping"])
def test_an_objective_may_be_an_object_a_name_or_a_mapping(spec):
    m = create(objective=spec)
    assert isinstance(m.objective, Objective)
    assert isinstance(m.objective, IWAE)


@pytest.mark.usefixtures("own_names")
@pytest.mark.parametrize("label", [None, "wide"], ids=["class name", "own name"])
def test_a_prior_of_ones_own(tmp_path, label):
    pyrogen.choice("prior", label)(Wide)
    name = label or "Wide"
    assert name in pyrogen.choices("prior")
    assert create(prior=name).prior.scale == 3.0
    m = create(prior=Wide(scale=2.0))
    m.save(tmp_path)
    loaded = pyrogen.load(tmp_path)
    assert type(loaded.prior) is Wide
    assert loaded.prior.scale == 2.0


@pytest.mark.usefixtures("own_names")
def test_a_prior_defined_inside_a_function():
    @pyrogen.choice("prior")
    class Narrow(Wide):
        """Defined where no import can find it."""

    assert type(create(prior="Narrow").prior) is Narrow


@pytest.mark.usefixtures("own_names")
def test_a_name_is_taken_once():
    with pytest.raises(ValueError, match=r"the prior 'StandardNormal' is already defined in pyrogen\.priors"):
        pyrogen.choice("prior", "StandardNormal")(Wide)
    with pytest.raises(ValueError, match=r"the entry 'vae' is already defined in pyrogen\.models\.vae"):
        pyrogen.entry("vae", reference="none")(lambda x_shape: None)
    assert create().prior.__class__ is StandardNormal
    pyrogen.choice("prior", "Laplace2")(Wide)
    pyrogen.choice("prior", "Laplace2")(Wide)  # the same class again, as when a notebook's cell is run twice


NAMED = """
from pyrogen.registry import entry
SHARED = {"seeds": 3, "data": "digits"}
MANY = [SHARED, {**SHARED, "data": "ring"}]
MADE = list(range(3))

@entry("of names", reference="none", recipe=SHARED, claims=[{**SHARED, "arguments": {"a": [1, *"b"]}}] if MADE else MANY)
def broken(x_shape):
    "One."

"""


def test_decorators_may_name_literals_above_them(tmp_path):
    good = NAMED.replace(
        '[{**SHARED, "arguments": {"a": [1, *"b"]}}] if MADE else MANY', '[{"says": -1, **SHARED}, *MANY]'
    )
    file = tmp_path / "m.py"
    file.write_text(good.replace("[{", "({").replace("}, *MANY]", "}, MANY)"))
    (record,) = catalogue._scan(file, "m")
    assert record.details["recipe"] == {"seeds": 3, "data": "digits"}
    first, many = record.details["claims"]
    assert first == {"says": -1, "seeds": 3, "data": "digits"}
    assert many == [{"seeds": 3, "data": "digits"}, {"seeds": 3, "data": "ring"}]
    for wrong in (NAMED, NAMED.replace("recipe=SHARED", "recipe=MADE"), NAMED.replace("recipe=SHARED", "recipe=LATER")):
        file.write_text(wrong)
        with pytest.raises(ValueError, match="malformed"):
            list(catalogue._scan(file, "m"))


def test_claims_are_written_of_entries_that_exist():
    assert set(catalogue.written_claims()) <= set(registry.list_models())
    assert registry.claims("vae")[0]["metric"] == "gap-to-ppca"


def test_claims_that_are_computed_are_refused_rather_than_left_out(tmp_path, monkeypatch):
    room = tmp_path / "room_of_claims"
    room.mkdir()
    (room / "__init__.py").write_text("")
    (room / "a.py").write_text('A = {"seeds": 3}\nCLAIMS = {"vae": [{"seeds": A["seeds"]}]}\n')
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(catalogue, "CLAIMS_ROOM", "room_of_claims")
    with pytest.raises(ValueError, match=r"the CLAIMS of a.py cannot be read: .* nothing is computed"):
        catalogue.written_claims.__wrapped__()


# ------------------------------------------------------------------------------------------ variants of an entry

VARIANTS = [r.name for r in registry.registrations("entry") if "of" in r.details]


def test_the_entries_that_differ_in_a_default_only_are_variants():
    assert {"vae-lowrank", "vae-planar", "vae-iaf", "vae-mixture-posterior", "vae-heavy-tailed"} <= set(VARIANTS)


@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant_is_its_base_with_other_defaults(name, tmp_path):
    record = registry.find("entry", name)
    build, base = record.load(), registry.find("entry", record.details["of"]).load()
    (said, *_), other = build.__doc__.split("\n"), inspect.signature(build).parameters
    assert said == record.summary == record.details["says"]
    assert {k: p.default for k, p in other.items() if p != inspect.signature(base).parameters[k]} == record.details[
        "defaults"
    ]
    a_width = isinstance(other["hidden"].default, int) if "hidden" in other else False
    small = {"latent_size": 2, "prior": "Laplace", "hidden": 3 if a_width else (3,)}
    small = {"x_shape": (4,) if "hidden" in other else (1, 8, 8), **{k: v for k, v in small.items() if k in other}}
    if "words" in other:
        small |= {"y_shape": (3,), "classes": 3}
    elif "posterior" in other and "y_shape" in other:  # of layouts
        small |= {"y_shape": (8, 8), "classes": 3}
    elif "y_shape" in other:  # of those who are told pictures
        small["y_shape"] = (1, 2, 2) if "features" in other else (1, 8, 8)
    made = []
    for make, changes in ((build, {}), (base, record.details["defaults"])):
        torch.manual_seed(0)
        made.append(make(**{**changes, **small}))
    ours, theirs = made
    assert ours.origin == {"entry": name, "arguments": theirs.origin["arguments"]}
    assert ours.state_dict().keys() == theirs.state_dict().keys()
    assert all(torch.equal(v, theirs.state_dict()[k]) for k, v in ours.state_dict().items())
    ours.save(tmp_path)
    assert pyrogen.load(tmp_path).origin == ours.origin


# what is proved at the scale of a paper is proved by its exact name only, elsewhere
PROVED = [name for name in (*VARIANTS, "vae-fullrank") if not name.endswith("-paper")]


@pytest.mark.parametrize("name", PROVED)
def test_claims_train_the_models_that_were_proved(name):
    proof = json.loads((ROOT / "proofs" / f"{name}.json").read_text(encoding="utf-8"))
    claims = claims_of(name)
    assert len(claims) == len(proof["claims"])
    for claim, row in zip(claims, proof["claims"], strict=True):
        given = [claim.setup.arguments, claim.control.get("arguments", {})]
        proved = [row["setup"]["arguments"], row["setup"]["control"].get("arguments", {})]
        assert json.loads(json.dumps(given)) == proved
        assert claim.setup.entry == row["setup"]["entry"] == name


@pytest.mark.usefixtures("own_names")
def test_a_variant_of_ones_own():
    mine = pyrogen.variant("mine", of="vae", says="Mine.", defaults={"latent_size": 3}, reference="none")
    m = pyrogen.create("mine", x_shape=(4,))
    assert (m.latent_size, m.origin["entry"], m.origin["arguments"]["latent_size"]) == (3, "mine", 3)
    assert mine((4,), 2).latent_size == 2
    assert (mine.__module__, mine.__name__) == (__name__, "mine")
    with pytest.raises(ValueError, match=r"no argument of 'vae' called 'latent'; did you mean 'latent_size'"):
        pyrogen.variant("other", of="vae", says="Other.", defaults={"latent": 3}, reference="none")
    with pytest.raises(ValueError, match=r"no model called 'vea'"):
        pyrogen.variant("other", of="vea", says="Other.", defaults={}, reference="none")


def test_a_variant_is_found_under_its_own_name(tmp_path):
    file = tmp_path / "m.py"
    file.write_text('vae_b = variant("vae-b", of="vae", says="B.", defaults={"latent_size": 2}, reference="none")\n')
    (record,) = catalogue._scan(file, "m")
    assert (record.name, record.attribute, record.summary, record.details["of"]) == ("vae-b", "vae_b", "B.", "vae")
    file.write_text(file.read_text().replace("vae_b =", "other ="))
    with pytest.raises(ValueError, match="the variant 'vae-b' in m is called other; call it vae_b"):
        list(catalogue._scan(file, "m"))


def test_a_variant_completes_the_arguments_of_its_base():
    ours = completion._parameters(registry.find("entry", "vae-iaf"))
    assert {"prior", "posterior", "known"} <= set(ours)


def test_a_decoder_is_said_once():
    with pytest.raises(ValueError, match="known= and decoder= both"):
        pyrogen.create("vae-iaf", x_shape=(2,), latent_size=2, known=[[1.0, 0.0], [0.0, 1.0]], decoder=nn.Linear(2, 2))


def test_what_one_calls_first_is_importable_from_the_top():
    assert (pyrogen.fit, pyrogen.grid, pyrogen.log_evidence) == (inference.fit, inference.grid, inference.log_evidence)
    assert {"fit", "grid", "log_evidence", "variant"} <= set(dir(pyrogen))


# which are chosen by name, and whose files load what few need
BY_NAME = {"analysis", "judge", "measure", "metric", "reader", "representation"}


def test_choices_of_training_and_scoring_are_importable_from_inference():
    records = [r for axis in {*registry.axes()} - BY_NAME for r in registry.registrations(axis)]
    ours = {r.attribute for r in records if r.module.startswith("pyrogen.inference.")}
    assert {"Contractive", "IWAE", "R1", "Noise"} <= ours
    assert {name for name in ours if not hasattr(inference, name)} == set()
