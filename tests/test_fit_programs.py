"""Plain Pyro functions trained by fit: the gradients of stock Pyro, everything that they run moves, and refusals."""

import copy
import functools

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro import poutine
from pyro.distributions import constraints
from pyro.infer import SVI, Trace_ELBO, TraceEnum_ELBO, TraceMeanField_ELBO, autoguide, config_enumerate
from pyro.nn import PyroModule, PyroParam
from torch import nn

import pyrogen
from pyrogen.base import Batch, Pair
from pyrogen.inference import ELBO, IWAE, VIMCO, DReG, EnumeratedELBO, fit, log_evidence
from pyrogen.inference.objectives.discrete import ReweightedWakeSleep
from pyrogen.inference.objectives.importance import StickingTheLanding
from pyrogen.inference.objectives.renyi import CUBO, Renyi
from pyrogen.inference.objectives.thermodynamic import Thermodynamic
from pyrogen.inference.programs.plain import Program

N, D, H = 40, 3, 2
QUIET = {"epochs": 1, "progress": False, "validate": False}


@pytest.fixture(autouse=True)
def own_store():
    with pyro.get_param_store().scope():
        yield


def data(n=N):
    return torch.randn(n, D, generator=torch.Generator().manual_seed(0))


def networks():
    torch.manual_seed(1)
    return nn.Linear(D, 2 * H), nn.Linear(H, D)


def gaussian(named=True):
    """A linear VAE; its networks are known to Pyro by name, or to nobody but the functions."""
    encoder, decoder = networks()

    def model(x):
        if named:
            pyro.module("decoder", decoder)
        with pyro.plate("rows", len(x)):
            z = pyro.sample("z", dist.Normal(x.new_zeros(H), 1.0).to_event(1))
            pyro.sample("x", dist.Normal(decoder(z), 0.7).to_event(1), obs=x)

    def guide(x):
        if named:
            pyro.module("encoder", encoder)
        mean, log_sd = encoder(x).chunk(2, -1)
        with pyro.plate("rows", len(x)):
            pyro.sample("z", dist.Normal(mean, log_sd.exp()).to_event(1))

    return model, guide, (encoder, decoder)


def in_two_plates():
    """A latent and an observation for each datum and place, whose plate is the inner one."""
    encoder, decoder = networks()

    def model(x):
        pyro.module("decoder", decoder)
        with pyro.plate("rows", len(x), dim=-2):
            z = pyro.sample("z", dist.Normal(x.new_zeros(1), 1.0).expand([len(x), 1]))
            with pyro.plate("places", D, dim=-1):
                e = pyro.sample("e", dist.Normal(z, 1.0))
                mean = decoder(torch.cat([z, e.mean(-1, keepdim=True)], -1))
                pyro.sample("x", dist.Normal(mean + e, 0.5), obs=x)

    def guide(x):
        pyro.module("encoder", encoder)
        mean, log_sd = encoder(x).chunk(2, -1)
        with pyro.plate("rows", len(x), dim=-2):
            z = pyro.sample("z", dist.Normal(mean[:, :1], log_sd[:, :1].exp()))
            with pyro.plate("places", D, dim=-1):
                pyro.sample("e", dist.Normal(mean[:, 1:] + 0.1 * x + z, log_sd[:, 1:].exp()))

    return model, guide, (encoder, decoder)


def without_closed_form():
    """A scale that is the prior's latent, under a guide of another family, whose KL is estimated by the same draws."""
    encoder, decoder = networks()

    def model(x):
        pyro.module("decoder", decoder)
        with pyro.plate("rows", len(x)):
            z = pyro.sample("z", dist.HalfNormal(x.new_ones(H)).to_event(1))
            pyro.sample("x", dist.Normal(decoder(z), 0.7).to_event(1), obs=x)

    def guide(x):
        pyro.module("encoder", encoder)
        mean, log_sd = encoder(x).chunk(2, -1)
        with pyro.plate("rows", len(x)):
            pyro.sample("z", dist.LogNormal(mean, log_sd.exp()).to_event(1))

    return model, guide, (encoder, decoder)


def discrete():
    """Two bits a datum."""
    encoder, decoder = nn.Linear(D, H), networks()[1]

    def model(x):
        pyro.module("decoder", decoder)
        with pyro.plate("rows", len(x)):
            z = pyro.sample("z", dist.Categorical(logits=x.new_zeros(H)))
            code = nn.functional.one_hot(z, H).to(x)
            pyro.sample("x", dist.Normal(decoder(code), 0.7).to_event(1), obs=x)

    def guide(x):
        pyro.module("encoder", encoder)
        with pyro.plate("rows", len(x)):
            pyro.sample("z", dist.Categorical(logits=encoder(x)))

    return model, guide, (encoder, decoder)


def gradients(modules):
    return [p.grad.clone() for m in modules for p in m.parameters()]


def met(model, guide, x, y=None):
    program = Program(model, guide)
    program.meet(x, y)
    return program


SAME = {
    "closed form": (gaussian, TraceMeanField_ELBO, ELBO()),
    "closed form in two plates": (in_two_plates, TraceMeanField_ELBO, ELBO()),
    "at the draws": (without_closed_form, Trace_ELBO, ELBO()),
    "at the draws in two plates": (in_two_plates, Trace_ELBO, IWAE(1)),
}


@pytest.mark.parametrize("case", SAME)
def test_a_step_has_the_gradient_of_stock_pyro(case):
    build, stock, objective = SAME[case]
    model, guide, modules = build()
    x = data()
    program = met(model, guide, x)
    torch.manual_seed(3)
    objective.terms(program, Batch(x))["loss"].backward()
    ours = gradients(modules)
    for m in modules:
        m.zero_grad()
    torch.manual_seed(3)
    loss = stock().loss_and_grads(model, guide, x)
    for mine, theirs in zip(ours, gradients(modules), strict=True):
        assert torch.allclose(mine, theirs / N, rtol=1e-4, atol=1e-6)
    torch.manual_seed(3)
    assert float(objective.terms(program, Batch(x))["loss"].detach()) == pytest.approx(loss / N, rel=1e-5)


def test_a_step_by_the_score_has_the_gradient_of_stock_pyro_and_a_term_of_mean_0():
    model, guide, (encoder, decoder) = discrete()
    x = data()
    program = met(model, guide, x)
    torch.manual_seed(3)
    ELBO().terms(program, Batch(x))["loss"].backward()
    torch.manual_seed(3)
    z = poutine.trace(guide).get_trace(x).nodes["z"]["value"]
    # E_q of the gradient of log q, which Pyro leaves out
    (-dist.Categorical(logits=encoder(x)).log_prob(z).mean()).backward()
    ours = gradients((encoder, decoder))
    encoder.zero_grad()
    decoder.zero_grad()
    torch.manual_seed(3)
    Trace_ELBO().loss_and_grads(model, guide, x)
    for mine, theirs in zip(ours, gradients((encoder, decoder)), strict=True):
        assert torch.allclose(mine, theirs / N, rtol=1e-4, atol=1e-6)


def test_summed_over_states_it_has_the_gradient_of_trace_enum():
    model, guide, modules = discrete()
    x = data()
    EnumeratedELBO().terms(met(model, guide, x), Batch(x))["loss"].backward()
    ours = gradients(modules)
    for m in modules:
        m.zero_grad()
    TraceEnum_ELBO(max_plate_nesting=1).loss_and_grads(model, config_enumerate(guide, "parallel"), x)
    for mine, theirs in zip(ours, gradients(modules), strict=True):
        assert torch.allclose(mine, theirs / N, rtol=1e-4, atol=1e-6)


class InFront(Pair):
    """The same functions with particles in front of the batch, as pairs of the zoo have them."""

    def __init__(self, model, guide, modules):
        super().__init__()
        self.functions, self.own = (model, guide), nn.ModuleList(modules)

    def model(self, x, y=None):
        self.functions[0](x)

    def guide(self, x, y=None):
        self.functions[1](x)

    def sample(self, n, y=None):
        raise NotImplementedError


WEIGHED = [
    ELBO(num_samples=4),
    ELBO(num_samples=4, beta=0.5),
    ELBO(free_bits=0.3),
    IWAE(5),
    DReG(5),
    StickingTheLanding(num_samples=4),
    Renyi(k=5),
    CUBO(k=5),
    VIMCO(5),
    ReweightedWakeSleep(5),
    Thermodynamic(k=5),
]


@pytest.mark.filterwarnings("ignore:.*not registered in the param store")  # of what stands still, which is meant
@pytest.mark.parametrize("objective", WEIGHED, ids=str)
@pytest.mark.parametrize("build", [gaussian, without_closed_form])
def test_particles_along_the_batch_have_the_gradient_of_those_in_front(build, objective):
    model, guide, modules = build()
    x, found = data(), []
    for pair in (met(model, guide, x), InFront(model, guide, modules)):
        for m in modules:
            m.zero_grad()
        torch.manual_seed(5)
        terms = objective.terms(pair, Batch(x))
        terms["loss"].backward()
        found.append(({k: float(v.detach()) for k, v in terms.items()}, gradients(modules)))
    (along, mine), (front, theirs) = found
    assert along == pytest.approx(front, rel=1e-4)
    for a, b in zip(mine, theirs, strict=True):
        assert torch.allclose(a, b, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("objective", WEIGHED, ids=str)
def test_where_the_plate_over_the_data_is_does_not_matter(objective):
    encoder, decoder = modules = networks()

    def at(dim, program):
        def run(x):
            mean, log_sd = encoder(x).chunk(2, -1)
            with pyro.plate("rows", len(x), dim=dim):
                wide = (lambda t: t.unsqueeze(1)) if dim == -2 else (lambda t: t)
                if program == "guide":
                    pyro.sample("z", dist.Normal(wide(mean), wide(log_sd.exp())).to_event(1))
                else:
                    z = pyro.sample("z", dist.Normal(torch.zeros_like(wide(mean)), 1.0).to_event(1))
                    pyro.sample("x", dist.Normal(decoder(z), 0.7).to_event(1), obs=wide(x))

        return run

    x, found = data(), []
    for dim in (-1, -2):
        program = met(at(dim, "model"), at(dim, "guide"), x)
        for m in modules:
            m.zero_grad()
        torch.manual_seed(5)
        objective.terms(program, Batch(x))["loss"].backward()
        found.append(gradients(modules))
    for a, b in zip(*found, strict=True):
        assert torch.allclose(a, b, rtol=1e-4, atol=1e-6)


def test_particles_of_discrete_latents_along_the_batch_have_the_gradient_of_those_in_front():
    model, guide, modules = discrete()
    x, found = data(), []
    for pair in (met(model, guide, x), InFront(model, guide, modules)):
        for m in modules:
            m.zero_grad()
        EnumeratedELBO().terms(pair, Batch(x))["loss"].backward()
        found.append(gradients(modules))
    for a, b in zip(*found, strict=True):
        assert torch.allclose(a, b, rtol=1e-4, atol=1e-6)


class Both(nn.Module):
    """Two methods of one module, with a parameter that no submodule has."""

    def __init__(self):
        super().__init__()
        self.encoder, self.decoder = networks()
        self.log_sd = nn.Parameter(torch.zeros(D))

    def model(self, x):
        with pyro.plate("rows", len(x)):
            z = pyro.sample("z", dist.Normal(x.new_zeros(H), 1.0).to_event(1))
            pyro.sample("x", dist.Normal(self.decoder(z), self.log_sd.exp()).to_event(1), obs=x)

    def guide(self, x):
        mean, log_sd = self.encoder(x).chunk(2, -1)
        with pyro.plate("rows", len(x)):
            pyro.sample("z", dist.Normal(mean, log_sd.exp()).to_event(1))


class Model(PyroModule):
    def __init__(self):
        super().__init__()
        self.decoder = PyroModule[nn.Linear](H, D)
        self.sd = PyroParam(torch.ones(D), constraint=constraints.positive)

    def forward(self, x):
        with pyro.plate("rows", len(x)):
            z = pyro.sample("z", dist.Normal(x.new_zeros(H), 1.0).to_event(1))
            pyro.sample("x", dist.Normal(self.decoder(z), self.sd).to_event(1), obs=x)


class Guide(PyroModule):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Linear(D, 2 * H)

    def forward(self, x):
        mean, log_sd = self.encoder(x).chunk(2, -1)
        with pyro.plate("rows", len(x)):
            pyro.sample("z", dist.Normal(mean, log_sd.exp()).to_event(1))


def methods():
    both = Both()
    return both.model, both.guide, [both]


def pyro_modules():
    model, guide = Model(), Guide()
    return model, guide, [model, guide]


def unknown_to_pyro():
    return gaussian(named=False)


def partials():
    """Networks that come as arguments, one of them in a list, and what reads its weights without a call of it."""
    encoder, decoder = networks()

    def model(nets, x):
        with pyro.plate("rows", len(x)):
            z = pyro.sample("z", dist.Normal(x.new_zeros(H), 1.0).to_event(1))
            mean = nn.functional.linear(z, nets[0].weight, nets[0].bias)
            pyro.sample("x", dist.Normal(mean, 0.7).to_event(1), obs=x)

    def guide(x, *, net):
        mean, log_sd = net(x).chunk(2, -1)
        with pyro.plate("rows", len(x)):
            pyro.sample("z", dist.Normal(mean, log_sd.exp()).to_event(1))

    return functools.partial(model, [decoder]), functools.partial(guide, net=encoder), [encoder, decoder]


WRITTEN = [gaussian, unknown_to_pyro, methods, pyro_modules, partials, in_two_plates, discrete]


@pytest.mark.parametrize("build", WRITTEN)
def test_all_that_the_functions_run_moves_in_place_and_nothing_is_left_in_the_store(build):
    for _ in range(2):  # a second pair in the same process too
        model, guide, modules = build()
        before = [p.detach().clone() for m in modules for p in m.parameters()]
        run = fit((model, guide), data(), **QUIET)
        after = [p for m in modules for p in m.parameters()]
        assert all(not torch.equal(a, b) for a, b in zip(before, after, strict=True))
        assert {id(p) for p in after} == {id(p) for p in run.model.parameters()}
        assert len(pyro.get_param_store()) == 0


def with_stored():
    def model(x):
        sd = pyro.param("sd", torch.full((D,), 2.0), constraint=constraints.positive)
        with pyro.plate("rows", len(x)):
            z = pyro.sample("z", dist.Normal(0.0, 1.0))
            pyro.sample("x", dist.Normal(z[:, None], sd).to_event(1), obs=x)

    def guide(x):
        slope = pyro.param("slope.of.x", lambda: torch.zeros(()))
        with pyro.plate("rows", len(x)):
            pyro.sample("z", dist.Normal(slope * x.mean(-1), 0.5))

    return model, guide


def test_what_pyros_store_alone_has_is_trained_there():
    model, guide = with_stored()
    run = fit((model, guide), data(), **QUIET | {"epochs": 20}, lr=0.05)
    store = pyro.get_param_store()
    assert set(store) == {"sd", "slope.of.x"}
    assert not torch.isclose(store["slope.of.x"], torch.zeros(())).item()
    assert (store["sd"] < 2).all()
    x = data()
    by_functions, by_run = (log_evidence(m, x, IWAE(50))["log_evidence"].values for m in ((model, guide), run.model))
    assert np.array_equal(by_functions, by_run)
    pyro.clear_param_store()
    assert np.array_equal(log_evidence(run.model, x, IWAE(50))["log_evidence"].values, by_run)  # which keeps its own


def test_stock_pyro_goes_on_where_fit_ended():
    model, guide = with_stored()
    fit((model, guide), data(), **QUIET)
    before = pyro.param("sd").detach().clone()
    SVI(model, guide, pyro.optim.Adam({"lr": 0.1}), Trace_ELBO()).step(data())
    assert not torch.equal(before, pyro.param("sd"))


def test_looking_at_programs_moves_no_statistics_and_no_modes():
    model, guide, _ = unknown_to_pyro()
    norm, idle = nn.BatchNorm1d(D), nn.Dropout(0.5).eval()

    def normed(x):
        guide(idle(norm(x)))

    before = {k: v.clone() for k, v in norm.state_dict().items()}
    program = met(model, normed, data())
    assert all(torch.equal(v, before[k]) for k, v in norm.state_dict().items())
    assert (norm.training, idle.training) == (True, False)
    assert {norm, idle} <= {*program.modules()}


def test_a_copy_has_weights_of_its_own():
    for build in (unknown_to_pyro, pyro_modules, methods, with_stored):
        model, guide = build()[:2]
        program = met(model, guide, data())
        copied = copy.deepcopy(program)
        with torch.no_grad():
            for p in copied.parameters():
                p.add_(0.5)
        own, other = (log_evidence(p, data(), IWAE(20))["log_evidence"].values for p in (program, copied))
        assert not np.allclose(own, other)
        with torch.no_grad():
            for p in program.parameters():
                p.add_(0.5)
        assert np.array_equal(log_evidence(program, data(), IWAE(20))["log_evidence"].values, other)
        ELBO().terms(copied, Batch(data()))["loss"].backward()
        assert all(p.grad is not None for p in copied.parameters())
        assert all(p.grad is None for p in program.parameters())


def _plated(plate):
    model, guide, _ = gaussian()

    def changed(program):
        def run(x):
            with plate(x):
                z = pyro.sample("z", dist.Normal(x.new_zeros(len(x), H), 1.0).to_event(1))
                if program is model:
                    pyro.sample("x", dist.Normal(z.sum(-1, keepdim=True).expand(-1, D), 1.0).to_event(1), obs=x)

        return run

    return changed(model), changed(guide)


def _outside():
    def model(x):
        z = pyro.sample("z", dist.Normal(0.0, 1.0))
        with pyro.plate("rows", len(x)):
            pyro.sample("x", dist.Normal(z, 1.0).expand([D]).to_event(1), obs=x)

    def guide(x):
        pyro.sample("z", dist.Normal(pyro.param("m", torch.zeros(())), 1.0))

    return model, guide


def _with(change_model=lambda m: m, change_guide=lambda g: g):
    model, guide, _ = unknown_to_pyro()
    return change_model(model), change_guide(guide)


def _stray():
    free = torch.zeros(D, requires_grad=True)
    return _with(change_guide=lambda g: lambda x: g(x + free))


def _factored(guide):
    def run(x):
        guide(x)
        with pyro.plate("rows", len(x)):
            pyro.factor("extra", x.sum(-1))

    return run


def _late(guide):
    calls = []

    def run(x):
        calls.append(1)
        guide(x + pyro.param("late", torch.zeros(D)) if len(calls) > 20 else x)

    return run


class Headed(Both):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(2, 2)


def _headed():
    both = Headed()
    return both.model, both.guide


REFUSED = {
    "fixed size": (lambda: _plated(lambda x: pyro.plate("thirty", 10)), "a plate or parameters of a fixed size"),
    "subsampled": (
        lambda: _plated(lambda x: pyro.plate("part", 2 * len(x), subsample_size=len(x))),
        "the plate 'part' around 'z' is subsampled",
    ),
    "outside": (_outside, "the latent 'z' is one for all data"),
    "scaled": (lambda: _with(lambda m: poutine.scale(m, 0.1)), r"'z' is scaled.*ELBO\(beta="),
    "factor in the guide": (lambda: _with(change_guide=_factored), "the guide observes 'extra'"),
    "no module": (_stray, r"a tensor of shape \(3,\) that is in no nn.Module"),
    "late": (lambda: _with(change_guide=_late), "asks for the parameter 'late'"),
    "not reached": (_headed, r"does not reach the parameter 'parts.Headed.head.weight'"),
    "autoguide": (lambda: (lambda m: (m, autoguide.AutoNormal(m)))(gaussian()[0]), "AutoNormal: its parameters"),
    "nothing to learn": (lambda: _plated(lambda x: pyro.plate("rows", len(x))), "owns no parameters"),
    "nothing observed": (lambda: (lambda x: None, lambda x: None), "the model observes nothing"),
    "no pair": (lambda: "vae", r"a tuple \(model, guide\) of Pyro functions; got str"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_has_no_loss_for_each_datum_or_would_not_move_is_refused(case):
    build, message = REFUSED[case]
    with pytest.raises(ValueError, match=message):
        fit(build(), data(), **QUIET | {"epochs": 30})


def test_data_outside_the_support_are_refused_beyond_the_rows_of_a_trial():
    net = nn.Linear(1, D)

    def model(x):
        with pyro.plate("rows", len(x)):
            z = pyro.sample("z", dist.Normal(x.new_zeros(1), 1.0).to_event(1))
            pyro.sample("x", dist.Bernoulli(logits=net(z), validate_args=False).to_event(1), obs=x)

    def guide(x):
        with pyro.plate("rows", len(x)):
            pyro.sample("z", dist.Normal(x[:, :1], 1.0).to_event(1))

    x = torch.ones(N, D)
    x[25:] = 0.5
    with pytest.raises(ValueError, match="outside the support of its likelihood Bernoulli"):
        fit((model, guide), x, **QUIET)


OBJECTIVES = pyrogen.choices("objective")
TRAINS = {"AVB", "Adversarial", "BetaTC", "CUBO", "DReG", "ELBO", "IWAE", "LearnedSimilarity", "MMD", "Renyi"} | {
    "ReweightedWakeSleep",
    "StickingTheLanding",
    "Sum",
    "Thermodynamic",
    "VIMCO",
}


@pytest.mark.parametrize("name", OBJECTIVES)
def test_every_objective_trains_functions_or_says_why_it_does_not(name):
    model, guide, _ = unknown_to_pyro()
    if name in TRAINS:
        assert fit((model, guide), data(), name, **QUIET).records
    else:
        with pytest.raises(ValueError, match=r"Program|is a term beside others|sums over discrete latents"):
            fit((model, guide), data(), name, **QUIET)


def test_discrete_latents_are_trained_by_their_score_by_states_and_by_draws():
    for objective in (ELBO(num_samples=2), EnumeratedELBO(), VIMCO(4)):
        model, guide, _ = discrete()
        loss = fit((model, guide), data(200), objective, epochs=30, lr=0.02, progress=False).history["valid/loss"]
        assert loss.iloc[-1] < loss.iloc[0]


def regressed():
    """x given y, where y is a number, of any sign."""
    encoder, decoder = nn.Linear(D + 1, 2 * H), nn.Linear(H + 1, D)

    def model(x, y):
        with pyro.plate("rows", len(x)):
            z = pyro.sample("z", dist.Normal(x.new_zeros(H), 1.0).to_event(1))
            pyro.sample("x", dist.Normal(decoder(torch.cat([z, y], -1)), 0.7).to_event(1), obs=x)

    def guide(x, y):
        mean, log_sd = encoder(torch.cat([x, y], -1)).chunk(2, -1)
        with pyro.plate("rows", len(x)):
            pyro.sample("z", dist.Normal(mean, log_sd.exp()).to_event(1))

    return model, guide


def test_functions_of_x_and_y_are_told_y_in_training_and_in_judgement():
    y = torch.linspace(-1, 1, N)[:, None]
    run = fit(regressed(), (data() + y, y), **QUIET)
    found = run.evaluate(IWAE(20), check_guide=False)
    assert found.attrs["quantity"] == "log p(x|y)"
    assert np.isfinite(found["log_evidence"]).all()
    with pytest.raises(ValueError, match=r"takes \(x, y\), and got no y"):
        fit(regressed(), data(), **QUIET)
    with pytest.raises(ValueError, match="does not say of what shape it is"):
        fit(regressed(), (data() + y, y), "Adversarial", **QUIET)


def test_functions_of_x_alone_are_not_told_labels():
    model, guide, _ = unknown_to_pyro()

    def sized(x, temperature=1.0):
        assert temperature == 1.0
        guide(x)

    run = fit((model, sized), (data(), torch.arange(N) % 2), **QUIET)
    assert np.isfinite(run.evaluate(IWAE(20), check_guide=False)["log_evidence"]).all()


def test_labels_that_are_partly_unknown_are_observed_where_they_are_known():
    centre = torch.tensor([-2.0, 2.0])
    classifier, shift = nn.Linear(1, 2), nn.Linear(1, 1)

    def model(x, y):
        with pyro.plate("rows", len(x)):
            known = y >= 0
            c = pyro.sample("c", dist.Categorical(logits=x.new_zeros(2)), obs=y.clamp(min=0), obs_mask=known)
            mean = shift(centre[c][:, None])
            pyro.sample("x", dist.Normal(mean, 1.0).to_event(1), obs=x)

    def guide(x, y):
        with pyro.plate("rows", len(x)), poutine.mask(mask=y < 0):
            pyro.sample("c_unobserved", dist.Categorical(logits=classifier(x)))

    generator = torch.Generator().manual_seed(0)
    y = torch.arange(300) % 2
    x = centre[y][:, None] + torch.randn(300, 1, generator=generator)
    seen = torch.where(torch.arange(300) % 10 < 5, y, -1)
    fit((model, guide), (x, seen), EnumeratedELBO(), epochs=60, lr=0.02, progress=False)
    assert (classifier(x).argmax(-1) == y).double().mean() > 0.9


def test_tensors_are_told_as_they_are_of_any_shape_and_type():
    torch.manual_seed(0)
    encoder = nn.Linear(1, 2).double()
    seen = []

    def model(x):
        seen.append((x.shape[1:], x.dtype))
        with pyro.plate("rows", len(x)):
            z = pyro.sample("z", dist.Normal(x.new_zeros(()), 1.0))
            pyro.sample("x", dist.Normal(z, 0.5), obs=x)

    def guide(x):
        mean, log_sd = encoder(x[:, None] / 300).unbind(-1)
        with pyro.plate("rows", len(x)):
            pyro.sample("z", dist.Normal(mean, log_sd.exp()))

    x = 300 + 50 * data().double()[:, 0]
    run = fit((model, guide), x, **QUIET)
    assert set(seen) == {(torch.Size(), torch.float64)}
    assert sorted(torch.cat([s.x for s in run.data.splits.values()]).tolist()) == sorted(x.tolist())
    found = run.evaluate(IWAE(20), check_guide=False)
    assert (found.attrs["log_jacobian"], found.sizes["datum"]) == (0, len(run.data.test))


def test_arrays_are_floats_and_counts_are_not_guessed_at():
    net = nn.Linear(D, 2)

    def model(x):
        assert x.dtype == torch.float32
        with pyro.plate("rows", len(x)):
            z = pyro.sample("z", dist.Normal(x.new_zeros(()), 1.0))
            pyro.sample("x", dist.Poisson(z.exp()[:, None].expand(-1, D)).to_event(1), obs=x)

    def guide(x):
        mean, log_sd = net(x).unbind(-1)
        with pyro.plate("rows", len(x)):
            pyro.sample("z", dist.Normal(mean, log_sd.exp()))

    x = np.random.default_rng(0).poisson(2, (N, D))
    run = fit((model, guide), {"x_train": x, "x_test": x[:7]}, **QUIET)
    assert (run.data.kind, len(run.data.test), len(run.data.valid)) == ("counts", 7, N // 10)
    with pytest.raises(ValueError, match="did you mean"):
        fit((model, guide), {"x_trian": x}, **QUIET)


def test_whole_numbers_of_pictures_are_read_as_they_are_and_not_binarized():
    seen = []

    def model(x):
        seen.append(x.flatten(1).max())
        with pyro.plate("rows", len(x)):
            z = pyro.sample("z", dist.Normal(x.new_zeros(()), 1.0))
            pyro.sample("x", dist.Poisson(z.exp().view(-1, 1, 1, 1).expand_as(x)).to_event(3), obs=x)

    def guide(x):
        with pyro.plate("rows", len(x)):
            pyro.sample("z", dist.Normal(pyro.param("mean", torch.zeros(())).expand(len(x)), 1.0))

    x = np.full((N, 1, 4, 4), 5)
    run = fit((model, guide), x, **QUIET)
    assert run.data.kind == "levels"
    log_evidence((model, guide), x[:4], IWAE(5))
    assert set(map(float, seen)) == {5.0}


def test_a_data_set_of_the_house_is_taken_as_it_is():
    encoder, decoder = nn.Linear(64, 2), nn.Linear(1, 64)

    def model(x):
        with pyro.plate("rows", len(x)):
            z = pyro.sample("z", dist.Normal(x.new_zeros(1), 1.0).to_event(1))
            pyro.sample("x", dist.Bernoulli(logits=decoder(z).view(-1, 1, 8, 8)).to_event(3), obs=x)

    def guide(x):
        mean, log_sd = encoder(x.flatten(1)).chunk(2, -1)
        with pyro.plate("rows", len(x)):
            pyro.sample("z", dist.Normal(mean, log_sd.exp()).to_event(1))

    run = fit((model, guide), "digits", **QUIET)
    assert (run.data.kind, run.model.x_shape) == ("binary", (1, 8, 8))


def test_a_run_of_functions_is_resumed_by_the_same_and_loaded_into_them(tmp_path):
    wishes = {"progress": False, "folder": tmp_path / "run"}
    model, guide, modules = unknown_to_pyro()
    run = fit((model, guide), data(), epochs=3, lr=0.05, **wishes)
    last = {k: v.clone() for k, v in run.model.state_dict().items()}
    again = unknown_to_pyro()
    finished = fit(again[:2], data(), epochs=3, lr=0.05, resume=True, **wishes)
    assert all(torch.equal(v, last[k]) for k, v in finished.model.state_dict().items())
    for old, new in zip(modules, again[2], strict=True):
        assert all(torch.equal(a, b) for a, b in zip(old.parameters(), new.parameters(), strict=True))
    whole = fit(unknown_to_pyro()[:2], data(), epochs=5, lr=0.05, progress=False)
    longer = fit(unknown_to_pyro()[:2], data(), epochs=5, lr=0.05, resume=True, **wishes)
    assert all(torch.equal(v, longer.model.state_dict()[k]) for k, v in whole.model.state_dict().items())
    loaded = pyrogen.load_run(tmp_path / "run", model=unknown_to_pyro()[:2], data=data())
    assert all(torch.equal(v, loaded.model.state_dict()[k]) for k, v in whole.model.state_dict().items())
    scores = [r.evaluate(IWAE(20), check_guide=False)["log_evidence"].values for r in (longer, loaded)]
    assert np.array_equal(*scores)


def test_weights_of_functions_that_are_judged_leave_them_as_they_are(tmp_path):
    run = fit(pyro_modules()[:2], data(), epochs=4, lr=0.3, ema=0.5, progress=False, folder=tmp_path / "run")
    last = {k: v.clone() for k, v in run.model.state_dict().items()}
    scores = [
        run.evaluate(IWAE(20), check_guide=False, weights=which)["log_evidence"].values for which in ("last", "ema")
    ]
    assert not np.allclose(*scores)
    assert all(torch.equal(v, last[k]) for k, v in run.model.state_dict().items())
    run.model.load_state_dict(run.kept["ema"])
    fresh = log_evidence(run.model, run.data.test, IWAE(20))["log_evidence"].values
    assert np.array_equal(fresh, scores[1])
    assert run.report().is_file()


FOREIGN = {
    "no functions": (lambda f: pyrogen.load_run(f), r"load_run\(folder, model=\(model, guide\), data=data\)"),
    "load": (lambda f: pyrogen.load(f, model=unknown_to_pyro()[:2]), r"load_run\(folder, model=\(model, guide\)"),
    "other functions": (lambda f: pyrogen.load_run(f, model=pyro_modules()[:2], data=data()), "differ"),
    "other data": (lambda f: pyrogen.load_run(f, model=unknown_to_pyro()[:2], data=data() + 1), "have changed"),
    "no data": (lambda f: pyrogen.load_run(f, model=unknown_to_pyro()[:2]), "trained on arrays"),
    "resumed by others": (
        lambda f: fit(pyro_modules()[:2], data(), **QUIET, folder=f, resume=True),
        "differ",
    ),
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("program") / "run"
    fit(unknown_to_pyro()[:2], data(), **QUIET, folder=folder)
    return folder


@pytest.mark.parametrize("case", FOREIGN)
def test_a_folder_says_what_it_needs_of_those_who_wrote_the_functions(case, trained):
    ask, message = FOREIGN[case]
    with pytest.raises(ValueError, match=message):
        ask(trained)


def test_long_training_of_functions_is_recorded_to_the_same_bits():
    def trained_with(compile):
        model, guide, modules = unknown_to_pyro()
        run = fit((model, guide), data(), epochs=520, batch_size=64, compile=compile, progress=False, validate=False)
        return run, [p.detach().clone() for m in modules for p in m.parameters()]

    (recorded, fast), (_, slow) = trained_with("auto"), trained_with(False)
    assert "recorded" in recorded.steps
    assert all(torch.equal(a, b) for a, b in zip(fast, slow, strict=True))
