"""One thread, one seed and an empty parameter store for every test; small data and small models for whoever asks."""

import datetime
import ipaddress
import itertools
import math
import os
import shutil
import socket
import tempfile
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyro
import pytest
import torch
from hypothesis import settings
from hypothesis.configuration import set_hypothesis_home_dir

import pyrogen
from pyrogen import registry
from pyrogen.data import Split, load, store
from pyrogen.inference.replay import recorded_step
from pyrogen.vocabulary import END

torch.set_num_threads(1)
# the processes that tests start run beside other workers: two threads each would wait for one another
os.environ["OMP_NUM_THREADS"] = "1"
# a proxy that a machine needs for the world is no way to its own servers, and the world is not asked
os.environ["no_proxy"] = os.environ["NO_PROXY"] = "*"

settings.register_profile("ours", derandomize=True, database=None, deadline=None)
settings.load_profile("ours")

TORCHVISION = Path(__file__).resolve().parents[2] / "shared" / "data" / "torchvision"
if TORCHVISION.is_dir():
    os.environ.setdefault("PYROGEN_DATA", str(TORCHVISION))

# what is unpacked goes into a folder of this run; only matplotlib's list of fonts, which takes long, stays where it is
if "PYTEST_XDIST_WORKER" not in os.environ:
    CACHE = tempfile.TemporaryDirectory(prefix="pyrogen-tests-")
    os.environ.setdefault("MPLCONFIGDIR", str(store.cache().parents[1] / "matplotlib"))
    os.environ["XDG_CACHE_HOME"] = CACHE.name
set_hypothesis_home_dir(os.environ["XDG_CACHE_HOME"])
FOLDERS = store.folders()  # before a test names others

# of all workers, at midnight too
DAY = int(os.environ.setdefault("PYROGEN_DAY", str(datetime.date.today().toordinal())))
TURNS = 4


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Of cases that are marked "rotating" a quarter is run each day, another one every day; the others are slow that day.

    Those of a file are dealt in turn, so that of many alike every day has as many; ``rotating(turn)`` says which turn it is.
    """
    marks = {item: {mark.name for mark in item.iter_markers()} for item in items}
    rotating = sorted((i for i in items if "rotating" in marks[i] and "slow" not in marks[i]), key=lambda i: i.nodeid)
    for item in items:
        if "compiles" in marks[item] and not shutil.which(os.environ.get("CXX", "g++")):
            item.add_marker(pytest.mark.skip("needs a C++ compiler"))
    for path, cases in itertools.groupby(rotating, key=lambda i: i.path):
        dealt = itertools.count(zlib.crc32(path.name.encode()))
        for item in cases:
            (turn,) = item.get_closest_marker("rotating").args or (next(dealt),)
            if (turn + DAY) % TURNS:
                item.add_marker("slow")


@pytest.fixture(autouse=True)
def _fresh_state():
    pyro.clear_param_store()
    torch.manual_seed(0)
    yield
    learning = torch.is_grad_enabled()
    torch.set_grad_enabled(True)
    assert learning, "it left gradients switched off for whoever comes next"


@pytest.fixture(autouse=True)
def _unseen_pictures(request, monkeypatch):
    """Figures are made in every test, and drawn where somebody looks: drawing and t-SNE are most of what a report costs."""
    if not request.node.path.name.startswith(("test_figures", "test_run_report", "test_film")):
        monkeypatch.setattr("pyrogen.figures.svg._draw", lambda figure: "<svg/>")
        monkeypatch.setattr("pyrogen.figures.latent_plots._tsne", lambda codes: codes[:, :2])


def _is_address(host):
    try:
        return bool(ipaddress.ip_address(host))
    except ValueError:
        return False


def _here(host):
    if _is_address(host):
        return ipaddress.ip_address(host).is_loopback
    return host in ("", "localhost", socket.gethostname())


@pytest.fixture(autouse=True)
def _no_network(monkeypatch):
    """No test needs a network: connections that leave this machine are refused, as where there is none."""

    def refusing(connect):
        def checked(sock, address):
            outward = sock.family in (socket.AF_INET, socket.AF_INET6) and not _here(address[0])
            if outward and sock.type != socket.SOCK_DGRAM:  # of datagrams, connecting sends nothing
                raise OSError(f"the tests use no network, and one asked for {address[0]}")
            return connect(sock, address)

        return checked

    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, refusing(getattr(socket.socket, name)))
    looked_up = socket.getaddrinfo

    def known(host, *args, **kwargs):
        name = host.decode() if isinstance(host, bytes) else host
        if name and not _here(name) and not _is_address(name):
            raise socket.gaierror(f"the tests use no network, and one asked for {name}")
        return looked_up(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", known)


@pytest.fixture
def empty_store():
    """For tests of pairs: whatever they did, Pyro's global parameter store was not used."""
    yield
    assert not pyro.get_param_store().keys()


@pytest.fixture(scope="session")
def need():
    """``need("text/snips/test.label")``: a file or folder of the data on this machine, or the test is skipped."""

    def found(file):
        path = next((folder / file for folder in FOLDERS if (folder / file).exists()), None)
        return path or pytest.skip(f"{file} is in none of {', '.join(map(str, FOLDERS))}")

    return found


@pytest.fixture
def on_disk():
    """``on_disk(data)``: the same data, in splits that have no x in memory."""

    def streamed(data):
        splits = data.splits.items()
        return replace(data, **{name: Split(None, s.y, name, s.view, s.x.numpy()) for name, s in splits})

    return streamed


def sentences(u, words=3):
    """Numbers of words of uniform numbers ``(..., T)``, and ends from where one falls below 1 / (words + 1) on."""
    drawn = ((words + 1) * u).floor() - 1
    return torch.where((drawn == END).cumsum(-1) > 0, END, drawn)


@pytest.fixture
def draws():
    """``draws(kind, n, *x_shape)``: data of a kind, the same at every call."""

    def draw(kind, *shape, seed=0):
        u = torch.rand(*shape, generator=torch.Generator().manual_seed(seed))
        return {
            "binary": u.round(),
            "unit": u,
            "levels": (255 * u).round(),
            "real": 4 * u - 2,
            "counts": (12 * u).floor(),
            "positive": (4 * u - 2).exp(),
            "angle": 6 * u - 3,
            "tokens": sentences(u),
            "paths": 4 * u - 2,
        }[kind]

    return draw


@pytest.fixture
def conditions():
    """``conditions(model, n)``: a y for each of ``n`` data, or None where the model looks at none."""

    def build(model, n):
        asked = model.condition
        if asked is None:
            return None
        if asked.classes is None:
            draw = torch.randn if asked.picture is None else torch.rand
            return draw(n, *asked.shape, generator=torch.Generator().manual_seed(n))
        return (torch.arange(n * math.prod(asked.shape)) % asked.classes).reshape(n, *asked.shape)

    return build


@pytest.fixture
def tiny_data(draws, conditions, tmp_path_factory):
    """``tiny_data(model)``: 24 training and 8 validation data of a kind that the model takes."""

    def build(model):
        kind = model.kinds[-1]
        arrays = {
            f"x_{split}": draws(kind, n, *model.x_shape, seed=n).numpy()
            for split, n in (("train", 24), ("valid", 8), ("test", 6))
        }
        if kind in ("binary", "levels", "counts"):
            arrays = {k: v.astype(np.uint8) for k, v in arrays.items()}
        for x in [*arrays] if model.condition is not None else ():
            arrays[f"y{x[1:]}"] = conditions(model, len(arrays[x])).numpy()
        path = tmp_path_factory.mktemp("data") / "tiny.npz"
        np.savez(path, **arrays)
        return load(path, kind=kind)

    return build


@pytest.fixture
def pair():
    """``pair(**choices)``: the smallest VAE, x_shape (1, 4, 4), two latents, with the choices given."""

    def build(**choices):
        return pyrogen.create("vae", **{"x_shape": (1, 4, 4), "latent_size": 2, "hidden": (8,), **choices})

    return build


@pytest.fixture
def own_names():
    """Names that a test registers are forgotten afterwards."""
    before = dict(registry._registered)
    yield
    registry._registered.clear()
    registry._registered.update(before)


class LinearModel:
    """Probabilistic PCA, x = Wz + μ + σε with z ~ N(0, I): six elements, two tied latents, answers in closed form."""

    size, latents, sigma = 6, 2, 0.5

    def __init__(self, seed=0):
        generator = torch.Generator().manual_seed(seed)
        self.w = torch.randn(self.size, self.latents, generator=generator, dtype=torch.float64)
        self.w[:, 1] += 0.5 * self.w[:, 0]
        self.mu = torch.randn(self.size, generator=generator, dtype=torch.float64)
        self.covariance = self.w @ self.w.T + self.sigma**2 * torch.eye(self.size)
        self.precision = self.w.T @ self.w / self.sigma**2 + torch.eye(self.latents)
        self.posterior_covariance = torch.linalg.inv(self.precision)
        self.to_mean = self.posterior_covariance @ self.w.T / self.sigma**2

    def draw(self, n, seed=0):
        generator = torch.Generator().manual_seed(seed)
        z = torch.randn(n, self.latents, generator=generator, dtype=torch.float64)
        noise = torch.randn(n, self.size, generator=generator, dtype=torch.float64)
        return (z @ self.w.T + self.mu + self.sigma * noise).float()

    def log_prob(self, x):
        return torch.distributions.MultivariateNormal(self.mu, self.covariance).log_prob(x.double()).numpy()

    def posterior_mean(self, x):
        return (x.double() - self.mu) @ self.to_mean.T

    def mean_field_gap(self):
        return float(0.5 * (self.precision.diagonal().log().sum() - torch.logdet(self.precision)))

    def conditional(self, x, seen):
        """The normal p(x_hidden|x_seen): means ``(N, hidden)`` and their covariance."""
        a, b, s = seen, ~seen, self.covariance
        weights = s[b][:, a] @ torch.linalg.inv(s[a][:, a])
        mean = self.mu[b] + (x.double()[:, a] - self.mu[a]) @ weights.T
        return mean, s[b][:, b] - weights @ s[a][:, b]

    def vae(self, posterior, spread=1.0):
        """The zoo's linear VAE with these parameters and the best q of its family, its standard deviations times spread."""
        likelihood = {"name": "Normal", "scale": "fixed", "value": self.sigma}
        made = pyrogen.create(
            "vae", x_shape=(self.size,), latent_size=self.latents, hidden=(), posterior=posterior, likelihood=likelihood
        )
        if posterior == "DiagonalNormal":
            rest = -self.precision.diagonal().log() + 2 * math.log(spread)
        else:
            tril = torch.linalg.cholesky(self.posterior_covariance) * spread
            rest = torch.cat([torch.expm1(tril.diagonal() - 1e-5).log(), tril[1:, 0]])
        with torch.no_grad():
            made.decoder.net[1].weight.copy_(self.w)
            made.decoder.net[1].bias.copy_(self.mu)
            made.encoder.net[1].weight.zero_()
            made.encoder.net[1].weight[: self.latents] = self.to_mean.float()
            made.encoder.net[1].bias.copy_(torch.cat([-self.to_mean @ self.mu, rest]))
        return made


@pytest.fixture
def linear():
    """A linear model with closed forms, for all that judges an encoder."""
    return LinearModel()


@pytest.fixture
def steps_pay(monkeypatch):
    """Steps are recorded however few they are."""
    monkeypatch.setattr(recorded_step, "PAYS", 1)
    with pyro.validation_enabled(False):
        yield
