"""One thread, one seed and an empty parameter store for every test; small data and small models for whoever asks."""

import ipaddress
import math
import os
import socket
from pathlib import Path

import numpy as np
import pyro
import pytest
import torch

import pyrogen
from pyrogen import registry
from pyrogen.data import load

torch.set_num_threads(1)
# the processes that tests start run beside other workers: two threads each would wait for one another
os.environ["OMP_NUM_THREADS"] = "1"

TORCHVISION = Path(__file__).resolve().parents[2] / "shared" / "data" / "torchvision"
if TORCHVISION.is_dir():
    os.environ.setdefault("PYROGEN_DATA", str(TORCHVISION))


@pytest.fixture(autouse=True)
def _fresh_state():
    pyro.clear_param_store()
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def _unseen_pictures(request, monkeypatch):
    """Figures are made in every test, and drawn where somebody looks: drawing is most of what a report costs."""
    if not request.node.path.name.startswith(("test_figures", "test_run_report", "test_film")):
        monkeypatch.setattr("pyrogen.figures.svg._draw", lambda figure: "<svg/>")


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
            "angle": 6 * u - 3,
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
            return torch.randn(n, *asked.shape, generator=torch.Generator().manual_seed(n))
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
