"""The explorer: its plane and its codes are the model's own, its door is shut to others, and a browser can walk in it."""

import base64
import functools
import io
import json
import re
import shutil
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from http.client import HTTPConnection

import numpy as np
import pytest
import torch
from PIL import Image

import pyrogen
from pyrogen.command.cli import main
from pyrogen.data import from_arrays, load
from pyrogen.inference import fit
from pyrogen.inference.explorer.server import Explorer
from pyrogen.inference.explorer.view import View

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


def vae(size=3, **more):
    torch.manual_seed(0)
    return pyrogen.create("vae", x_shape=(1, 8, 8), latent_size=size, hidden=(16,), **more)


@pytest.fixture(scope="module")
def digits():
    return load("digits")


@pytest.fixture
def served(digits):
    with Explorer(View(vae(), digits, limit=40)) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()


def ask(server, path, code=None, **more):
    words = "".join(f"&{k}={v}" for k, v in more.items())
    address = server.url.replace("/?", f"/{path}?") + words
    with urllib.request.urlopen(address, None if code is None else code.encode()) as answer:
        return json.loads(answer.read())


def test_classes_that_a_model_infers_are_those_of_the_datum(digits):
    model = pyrogen.create("vae-semi-supervised", x_shape=(1, 8, 8), latent_size=2, hidden=(16,), classes=10).eval()
    view = View(model, digits, limit=12)
    shown = []
    other = int((view.split.y != view.split.y[0]).nonzero()[0])
    for index in (0, other):
        z = torch.from_numpy(view.codes[index]).float().unsqueeze(0)
        told = model.decode(z, view.split.y[index : index + 1]).mean[0]
        shown.append(view.datum(index)["x"])
        picture = Image.open(io.BytesIO(base64.b64decode(shown[-1].split(",")[1])))
        assert np.abs(np.asarray(picture) / 255 - told.detach().numpy()[0]).max() < 1 / 255
    assert view.decode(view.codes[0].tolist(), given=other)["x"] != shown[0]


def test_data_that_are_sorted_are_shown_from_first_to_last(digits):
    x, y = digits.test.x, digits.test.y.sort().values
    shown = View(vae(), from_arrays(x, y, x[:9], y[:9], x, y), limit=40)
    assert set(shown.state()["labels"]) == set(map(str, range(10)))


def test_what_does_not_decode_is_refused_before_a_page_is_served(digits, monkeypatch):
    def decode(z, y=None):
        raise ValueError("this decoder is closed today.")

    model = vae()
    monkeypatch.setattr(model, "decode", decode)
    with pytest.raises(ValueError, match="closed today"):
        View(model, digits, limit=12)


def test_the_plane_is_of_the_codes(digits):
    model = vae()
    view = View(model, digits, limit=50)
    state, codes = view.state(), model.code(digits.test.spread(50).x).detach().double().numpy()
    assert np.allclose(state["codes"], codes, atol=1e-5)
    centred = codes - codes.mean(0)
    values, vectors = np.linalg.eigh(centred.T @ centred)
    assert state["names"][0] == f"PC 1 ({values[-1] / values.sum():.0%} of the variance)"
    assert np.allclose(np.abs(np.array(state["directions"]) @ vectors[:, ::-1][:, :2]), np.eye(2), atol=1e-4)
    assert np.allclose(state["points"], centred @ np.array(state["directions"]).T, atol=1e-4)
    assert [s["latent"] for s in state["sliders"]] == list(np.argsort(-codes.var(0)))
    assert state["labels"] == [str(y) for y in digits.test.spread(50).y.tolist()]


def test_the_ellipses_are_the_posteriors_in_the_plane(digits):
    model = vae(2)
    view = View(model, digits, limit=5)
    q = model.encode(digits.test.spread(5).x)
    half = np.sort(q.variance.sqrt().detach().numpy(), axis=1)[:, ::-1]
    assert np.array(view.state()["ellipses"])[:, :2] == pytest.approx(half, rel=0.4)  # of 64 draws
    flat = pyrogen.create("autoencoder", x_shape=(1, 8, 8), latent_size=2, hidden=(16,))
    assert View(flat, digits, limit=5).state()["ellipses"] is None


def test_chosen_coordinates_span_the_plane(digits):
    state = View(vae(), digits, coordinates=(3, 1)).state()
    assert state["names"] == ["z3", "z1"]
    assert state["directions"] == [[0, 0, 1], [1, 0, 0]]
    assert np.allclose(state["points"], np.array(state["codes"])[:, [2, 0]], atol=1e-5)


def test_a_code_decodes_as_the_model_says(digits):
    model = vae()
    found = View(model, digits).decode([0.5, -1.0, 0.25])
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(found["x"].split(",")[1]))))
    mean = model.decode(torch.tensor([[0.5, -1.0, 0.25]])).mean.detach().numpy()[0, 0]
    assert np.abs(pixels / 255 - mean).max() <= 0.5 / 255 + 1e-6
    distance = np.linalg.norm(model.code(digits.test.x).detach().numpy() - np.array([0.5, -1.0, 0.25]), axis=1)
    assert [n["index"] for n in found["nearest"]] == list(np.argsort(distance)[:6])
    assert [n["distance"] for n in found["nearest"]] == pytest.approx(np.sort(distance)[:6], rel=1e-5)


def test_a_conditional_model_is_told_the_class_of_a_datum(digits):
    torch.manual_seed(0)
    model = pyrogen.create("vae-conditional", x_shape=(1, 8, 8), classes=10, latent_size=2, hidden=(16,))
    view = View(model, digits, limit=20)
    y = digits.test.spread(20).y
    other = int((y != y[0]).nonzero()[0])
    same = int((y[1:] == y[0]).nonzero()[0]) + 1 if (y[1:] == y[0]).any() else 0
    assert view.decode([0.0, 0.0], other)["x"] != view.decode([0.0, 0.0])["x"]
    assert view.decode([0.0, 0.0], same)["x"] == view.decode([0.0, 0.0])["x"]


def test_generators_and_vectors_are_walked_through_too():
    ring = load("ring")
    gan = pyrogen.create("gan-nonsaturating", generator="Perceptron(hidden=(16,))", critic="Perceptron(hidden=(16,))")
    view = View(gan, ring, limit=30)
    state, found = view.state(), view.decode(np.zeros(gan.latent_size))
    assert (state["encodes"], state["labels"], state["picture"], found["nearest"]) == (False, None, False, [])
    assert found["x"] == pytest.approx(gan.generate(torch.zeros(1, gan.latent_size))[0].tolist(), abs=1e-4)
    vectors = from_arrays(np.random.default_rng(0).normal(size=(60, 5)))
    model = pyrogen.create("vae", x_shape=(5,), latent_size=1, hidden=(8,), likelihood="Normal")
    assert len(View(model, vectors, limit=3).decode([0.0])["x"]) == 5


def test_real_pictures_are_shown_by_one_measure():
    x = np.random.default_rng(0).normal(size=(40, 1, 4, 4)) * 50 + 100
    data = from_arrays(x, standardize=False)
    model = pyrogen.create("vae", x_shape=(1, 4, 4), latent_size=2, hidden=(8,), likelihood="Normal")
    view = View(model, data, limit=3)
    assert view.limits == (float(view.split.x.min()), float(view.split.x.max()))


def test_a_generator_that_is_told_a_class_takes_that_of_the_draw(digits):
    torch.manual_seed(0)
    net = {"name": "Perceptron", "hidden": [8]}
    model = pyrogen.create("cgan", x_shape=(1, 8, 8), classes=10, latent_size=4, generator=net)
    view = View(model, digits, limit=20)
    y = digits.test.spread(20).y
    other = int((y != y[0]).nonzero()[0])
    assert view.decode([0.0] * 4, other)["x"] != view.decode([0.0] * 4)["x"]
    assert (view.state()["told"], view.state()["labels"]) == (True, [str(k) for k in y.tolist()])


def test_what_is_missing_is_no_number():
    rng = np.random.default_rng(0)
    holes = {"likelihood": "Masked", "hidden": (8,), "latent_size": 2}
    x = np.where(rng.random((40, 5)) < 0.3, np.nan, rng.normal(size=(40, 5)))
    view = View(pyrogen.create("vae", x_shape=(5,), **holes), from_arrays(x, missing=True), limit=9)
    near = view.datum(0)["nearest"]
    wanted = [
        [None if np.isnan(v) else pytest.approx(v, abs=1e-4) for v in view.split.x[n["index"]].tolist()] for n in near
    ]
    assert json.loads(json.dumps([n["x"] for n in near], allow_nan=False)) == wanted
    pictures = from_arrays(
        np.where(rng.random((40, 1, 4, 4)) < 0.3, np.nan, rng.normal(size=(40, 1, 4, 4))), missing=True
    )
    view = View(pyrogen.create("vae", x_shape=(1, 4, 4), **holes), pictures, limit=9)
    low, high = (v.flat[0] for v in view.limits)
    assert (low, high) == pytest.approx((np.nanmin(view.split.x), np.nanmax(view.split.x)), rel=1e-5)


def test_the_posteriors_of_many_latents_are_measured_in_the_plane(digits):
    size, n = 3000, 200
    view = View(vae(size), digits, limit=n)  # (n, size, size) would be 14 GB
    assert view.spread.shape == (n, 2, 2)
    with pytest.raises(ValueError, match="bits, among which one cannot walk"):
        View(pyrogen.create("vae-bernoulli", x_shape=(1, 8, 8), latent_size=size, hidden=(8,)), digits, limit=n)


def test_codes_longer_than_an_address_are_decoded(digits):
    with Explorer(View(vae(9000), digits, limit=5)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        code = ",".join(f"{v:.8f}" for v in np.linspace(-1, 1, 9000))
        assert len(code) > 2**16
        assert ask(server, "decode", code)["x"] == server.view.decode([float(v) for v in code.split(",")])["x"]
        server.shutdown()


@pytest.mark.parametrize(
    ("wish", "sentence"),
    [
        ({"split": "tset"}, "did you mean 'test'"),
        ({"limit": 2}, "a plane needs 3 data or more"),
        ({"coordinates": (0, 3)}, "name two different latents of 1 to 3"),
        ({"coordinates": (1, 1)}, "name two different latents"),
        ({"coordinates": (1,)}, "name two different latents"),
    ],
)
def test_wishes_that_cannot_be_had(digits, wish, sentence):
    with pytest.raises(ValueError, match=sentence):
        View(vae(), digits, **wish)


def test_models_without_a_space_to_walk_in(digits):
    with pytest.raises(ValueError, match="RBM has no latents to walk through"):
        View(pyrogen.create("rbm", x_shape=(1, 8, 8), hidden=4), digits)
    bits = pyrogen.create("vae-bernoulli", x_shape=(1, 8, 8), latent_size=4, hidden=(8,))
    with pytest.raises(ValueError, match="bits, among which one cannot walk"):
        View(bits, digits)


def test_the_server_answers_whoever_has_the_token(served):
    assert served.url.startswith("http://127.0.0.1:")
    assert ask(served, "state")["title"] == "vae on digits"
    assert ask(served, "datum", i=3)["z"] == served.view.codes[3].tolist()
    with urllib.request.urlopen(served.url) as page:
        assert "default-src 'none'" in page.headers["Content-Security-Policy"]
        assert b"<title>pyrogen explore</title>" in page.read()


@pytest.mark.rotating
@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/etc/passwd?token={token}", 404, "nothing is here"),
        ("/decode?token={token} 1,2", 400, "a code has 3 finite numbers; got 2"),
        ("/decode?token={token} 1,2,nan", 400, "a code has 3 finite numbers"),
        ("/decode?token={token} a", 400, "could not convert"),
        ("/decode?token={token}", 400, "could not convert"),
        ("/decode?token={token}x 1,2,3", 403, "pyrogen explore printed"),
        ("/datum?token={token}&i=40", 400, "there are 40 data, numbered from 0; got 40"),
        ("/datum?token={token}&i=-1", 400, "numbered from 0"),
        ("/state", 403, "pyrogen explore printed"),
        ("/state?token=", 403, "pyrogen explore printed"),
        ("/state?token={token}x", 403, "pyrogen explore printed"),
        ("/state?token=%C3%A9", 403, "pyrogen explore printed"),
    ],
)
def test_what_is_refused_at_the_door(served, path, status, words):
    path, _, code = path.format(token=served.token).partition(" ")
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"http://127.0.0.1:{served.server_port}{path}", code.encode() or None)
    assert (refused.value.code, words in refused.value.read().decode()) == (status, True)


def test_a_page_of_another_origin_cannot_reach_it(served):
    connection = HTTPConnection("127.0.0.1", served.server_port)
    connection.request("GET", f"/state?token={served.token}", headers={"Host": f"evil.example:{served.server_port}"})
    assert connection.getresponse().status == 403
    connection.close()


def test_requests_at_once_give_what_one_gives(served):
    wanted = [ask(served, "decode", f"{k},0,0")["x"] for k in range(4)]
    found = {}
    threads = [
        threading.Thread(target=lambda k=k: found.update({k: ask(served, "decode", f"{k % 4},0,0")["x"]}))
        for k in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {k: wanted[k % 4] for k in range(12)}


def test_the_command_refuses_in_one_sentence(tmp_path, capsys):
    run = str(tmp_path / "run")
    fit(vae(), "digits", epochs=1, folder=run, progress=False)
    for words, sentence in {
        "nowhere": "not a run's folder",
        f"{run} --port 70000": "a port is 1 to 65535",
        f"{run} --coordinates a,b": "name two latents by their numbers from 1, as 1,4",
        f"{run} --coordinates 1,9": "name two different latents of 1 to 3",
        f"{run} --limit 1": "a plane needs 3 data or more",
    }.items():
        assert main(["explore", *words.split()]) == 2
        assert sentence in capsys.readouterr().err


@pytest.fixture
def command(tmp_path):
    """``pyrogen explore`` of a small run, as a process."""
    fit(vae(), "digits", epochs=1, folder=tmp_path / "run", progress=False)
    words = [sys.executable, "-m", "pyrogen", "explore", str(tmp_path / "run"), "--limit", "50"]
    # whatever the tests themselves were started by, this process hears of Ctrl-C
    heard = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, cwd=tmp_path, preexec_fn=heard)
    yield process
    process.kill()
    process.communicate()


@pytest.mark.rotating
def test_the_command_serves_until_it_is_stopped(command):
    url = command.stdout.readline().split()[-1]
    with urllib.request.urlopen(url) as page:
        assert page.status == 200
    command.send_signal(signal.SIGINT)
    assert command.wait(20) == 0
    assert "stopped" in command.stdout.read()


@pytest.mark.rotating
@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium, of Debian's package of that name")
@pytest.mark.parametrize("width", [1280, 390])
def test_a_browser_walks(command, width):
    browsers = pytest.importorskip("playwright.sync_api", reason="needs pip install 'pyrogen[explore-test]'")
    url, said = command.stdout.readline().split()[-1], []
    with browsers.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": width, "height": 900})
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(url)
        page.wait_for_selector("body[data-decoded]")

        def decoded(act):
            """The code that is shown after an action, another than before."""
            before = page.get_attribute("body", "data-decoded")
            act()
            page.wait_for_selector(f"body:not([data-decoded='{before}'])")
            return [float(v) for v in page.get_attribute("body", "data-decoded").split(",")]

        page.click("#keep")
        dragged = decoded(lambda: page.click("#pad", position={"x": 60, "y": 60}))
        page.click("#keep")
        page.wait_for_selector("#stops figure:nth-child(2)")
        assert len(dragged) == 3
        slider = page.locator("#sliders input").first
        latent = int(slider.get_attribute("data-latent"))
        slid = decoded(lambda: slider.evaluate("e => { e.value = e.max; e.dispatchEvent(new Event('input')); }"))
        assert [i for i in range(3) if abs(slid[i] - dragged[i]) > 2e-3] == [latent]
        codes = json.loads(urllib.request.urlopen(url.replace("/?", "/state?")).read())["codes"]
        nearest = page.locator("#near button").first
        index = int(re.search(r"\d+", nearest.get_attribute("title"))[0])
        assert decoded(nearest.click) == pytest.approx(codes[index], abs=2e-3)
        with page.expect_download() as saved:
            page.click("#save")
        walk = json.loads(saved.value.path().read_text())
        assert walk["codes"][1] == pytest.approx(dragged, abs=2e-3)
        decoded(lambda: page.click("#play"))
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        browser.close()
    assert said == []
