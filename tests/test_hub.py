"""Models on a hub: up and down through a local one, refused where they are foreign or damaged, and never run."""

import builtins
import fnmatch
import shutil
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import huggingface_hub
import pytest
import torch
import yaml

import pyrogen
from pyrogen import storage
from pyrogen.command.cli import main

REPO = "someone/a-vae"


class LocalHub:
    """What pyrogen asks of ``HfApi``, of folders here."""

    root: Path

    def __init__(self, token=None):
        self.token = token

    def create_repo(self, repo, private, exist_ok):
        (self.root / repo).mkdir(parents=True, exist_ok=exist_ok)
        return f"https://hub.example/{repo}"

    def upload_folder(self, repo_id, folder_path, commit_message, delete_patterns):
        for path in self._files(repo_id):
            if any(fnmatch.fnmatch(path, pattern) for pattern in delete_patterns):
                (self.root / repo_id / path).unlink()
        shutil.copytree(folder_path, self.root / repo_id, dirs_exist_ok=True)

    def list_repo_files(self, repo, revision=None):
        if not (self.root / repo).is_dir():
            raise not_found()
        return self._files(repo)

    def snapshot_download(self, repo, revision, allow_patterns):
        target = self.root.parent / "downloaded" / repo
        shutil.rmtree(target, ignore_errors=True)
        for path in self._files(repo):
            if any(fnmatch.fnmatch(path, pattern) for pattern in allow_patterns):
                (target / path).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(self.root / repo / path, target / path)
        return str(target)

    def _files(self, repo):
        folder = self.root / repo
        return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def not_found():
    request = huggingface_hub.get_session().build_request("GET", "https://hub.example")
    response = huggingface_hub.errors.Response(404, request=request)
    return huggingface_hub.errors.RepositoryNotFoundError("404", response=response)


@pytest.fixture
def hub(tmp_path, monkeypatch):
    monkeypatch.setattr(LocalHub, "root", tmp_path / "hub", raising=False)
    monkeypatch.setattr(huggingface_hub, "HfApi", LocalHub)
    LocalHub.root.mkdir()
    return LocalHub.root


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    x = (torch.rand(60, 4) < 0.5).to(torch.uint8)
    model = pyrogen.create("vae", x_shape=(4,), latent_size=2, hidden=(8,))
    folder = tmp_path_factory.mktemp("runs") / "mine"
    run = pyrogen.fit(model, x, epochs=1, device="cpu", progress=False, folder=folder)
    run.evaluate("ELBO", limit=4, check_guide=False)
    return run


def test_a_run_goes_up_and_its_model_comes_down(run, hub):
    assert pyrogen.save_to_hub(run, REPO, license="mit") == f"https://hub.example/{REPO}"
    given = sorted(str(path.relative_to(hub / REPO)) for path in (hub / REPO).rglob("*") if path.is_file())
    assert {"README.md", "config.yaml", "metrics.jsonl", "weights.safetensors"} < set(given)
    assert [Path(path).suffix for path in given if path.startswith("scores/")] == [".nc", ".yaml"]
    assert not {"checkpoint.safetensors", "report.html"} & set(given)
    card = (hub / REPO / "README.md").read_text()
    assert yaml.safe_load(card.split("---")[1])["license"] == "mit"
    assert f'pyrogen.load_from_hub("{REPO}")' in card
    assert "lower bound" in card
    model = pyrogen.load_from_hub(REPO)
    assert not model.training
    assert all(torch.equal(v, run.model.state_dict()[k]) for k, v in model.state_dict().items())
    downloaded = hub.parent / "downloaded" / REPO
    assert sorted(path.name for path in downloaded.iterdir()) == ["config.yaml", "weights.safetensors"]


def test_a_repository_becomes_a_run(run, hub, tmp_path, monkeypatch, capsys):
    pyrogen.save_to_hub(run.folder, REPO)
    (hub / REPO / "train.py").write_text("raise SystemExit('it was run')")
    monkeypatch.chdir(tmp_path)
    assert main(["fetch", REPO]) == 0
    assert "runs/a-vae" in capsys.readouterr().out
    again = pyrogen.load_run("runs/a-vae")
    assert again.records == run.records
    assert not Path("runs/a-vae/train.py").exists()


def test_what_judged_other_weights_goes(run, hub):
    pyrogen.save_to_hub(run, REPO)
    (hub / REPO / "scores" / "old.nc").write_text("of other weights")
    (hub / REPO / "notes.md").write_text("the owner's own")
    pyrogen.save_to_hub(run, REPO)
    assert not (hub / REPO / "scores" / "old.nc").exists()
    assert (hub / REPO / "notes.md").exists()


@pytest.mark.parametrize("typed", ["{here}/secret/mine.csv", "../secret/mine.csv", "{here}/secret/moved.csv"])
def test_no_path_of_this_machine_goes_along(hub, tmp_path, monkeypatch, typed):
    """However it was typed, and whether or not the data still lie there."""
    for folder in ("secret", "work"):
        (tmp_path / folder).mkdir()
    monkeypatch.chdir(tmp_path / "work")
    path = Path(typed.format(here=tmp_path))
    path.write_text("a,b\n" + "\n".join(f"{i},{i * i % 7}" for i in range(40)))
    model = pyrogen.create("vae", x_shape=(2,), latent_size=1, hidden=(4,), likelihood="Normal")
    pyrogen.fit(model, pyrogen.data.load(str(path)), epochs=1, device="cpu", progress=False, folder=tmp_path / "run")
    if path.stem == "moved":
        path.rename(tmp_path / "elsewhere.csv")
    pyrogen.save_to_hub(tmp_path / "run", REPO)
    for name in ("config.yaml", "README.md"):
        text = (hub / REPO / name).read_text()
        assert "secret" not in text
        assert str(tmp_path) not in text
    data = yaml.safe_load((hub / REPO / "config.yaml").read_text())["data"]
    assert (data["source"], data["reference"]) == (path.name, f"file {path.name}")
    assert str(tmp_path) in (tmp_path / "run" / "config.yaml").read_text()


def foreign(**files):
    def write(folder):
        for name, content in files.items():
            (folder / name.replace("_", ".")).write_bytes(content)

    return write


def damaged(folder):
    path = folder / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:100])


PICKLE = b"\x80\x02cos\nsystem\nq\x00."
CALL = b"model: !!python/object/apply:os.system ['touch executed']"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda folder: (folder / "config.yaml").unlink(), r"is no model of pyrogen: it holds no config\.yaml\."),
        (lambda folder: (folder / "weights.safetensors").unlink(), r"holds no weights\.safetensors\."),
        (foreign(config_yaml=b"trainer: lightning"), "was not written by pyrogen"),
        (foreign(config_yaml=CALL), "cannot be read as YAML"),
        (foreign(weights_safetensors=PICKLE), "is damaged"),
        (damaged, "is damaged"),
    ],
    ids=["no config", "no weights", "foreign", "a call", "a pickle", "cut"],
)
def test_foreign_and_damaged_repositories_are_refused(run, hub, tmp_path, monkeypatch, change, message):
    monkeypatch.chdir(tmp_path)
    pyrogen.save_to_hub(run, REPO)
    change(hub / REPO)
    for ask in (pyrogen.load_from_hub, pyrogen.fetch):
        with pytest.raises(ValueError, match=message) as caught:
            ask(REPO)
        assert str(caught.value).startswith(REPO)
        assert "\n" not in str(caught.value)
        assert "downloaded" not in str(caught.value)
    assert not (tmp_path / "executed").exists()
    assert not (tmp_path / "runs").exists()


def test_errors_of_the_hub_are_sentences(run, hub, monkeypatch, tmp_path):
    with pytest.raises(ValueError, match="there is no repository someone/nothing on the hub, or you may not read it"):
        pyrogen.load_from_hub("someone/nothing")

    def refuse(*args, **kwargs):
        raise huggingface_hub.errors.OfflineModeIsEnabled("offline mode is enabled")

    monkeypatch.setattr(LocalHub, "list_repo_files", refuse)
    with pytest.raises(OSError, match=f"the hub could not be reached for {REPO}: offline mode"):
        pyrogen.load_from_hub(REPO)
    with pytest.raises(ValueError, match="lies in no folder"):
        pyrogen.save_to_hub(pyrogen.inference.training.run.Run(run.model), REPO)
    storage.write_config(run.model, tmp_path / "begun")
    with pytest.raises(ValueError, match="only a run that has ended can be given away"):
        pyrogen.save_to_hub(tmp_path / "begun", REPO)


def test_without_the_extra_one_sentence_says_so(monkeypatch):
    real = builtins.__import__

    def importing(name, *args, **kwargs):
        if name == "huggingface_hub":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", importing)
    with pytest.raises(ValueError, match=r"pip install 'pyrogen\[hub\]'"):
        pyrogen.load_from_hub(REPO)


def test_the_client_itself_downloads_what_a_server_has(run, tmp_path, monkeypatch):
    """The real huggingface_hub against a server here, so that the fake above does not hide what it would ask."""
    from pyrogen.inference.sharing.pack import pack

    pack(run.folder, tmp_path / "served", "none")
    commit = "0" * 40

    class Server(BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.do_GET(body=False)

        def do_GET(self, body=True):
            self.answer(self.path.partition("?")[0], body)

        def answer(self, path, body):
            import json

            files = [p for p in (tmp_path / "served").rglob("*") if p.is_file()]
            names = {str(p.relative_to(tmp_path / "served")): p for p in files}
            if path.startswith(f"/api/models/{REPO}/tree/"):
                rows = [
                    {"type": "file", "path": n, "size": p.stat().st_size, "oid": "1" * 40} for n, p in names.items()
                ]
                return self.send(json.dumps(rows).encode(), "application/json", body)
            if path.startswith(f"/api/models/{REPO}"):
                said = {"id": REPO, "sha": commit, "siblings": [{"rfilename": name} for name in names], "tags": []}
                return self.send(json.dumps(said).encode(), "application/json", body)
            name = path.partition(f"/{REPO}/resolve/")[2].partition("/")[2]
            if name in names:
                return self.send(names[name].read_bytes(), "application/octet-stream", body)
            self.send_response(404)
            self.send_header("X-Error-Code", "RepoNotFound")
            self.send_header("Content-Length", "0")
            return self.end_headers()

        def send(self, content, kind, body):
            import hashlib

            self.send_response(200)
            for key, value in (
                ("Content-Type", kind),
                ("Content-Length", str(len(content))),
                ("ETag", f'"{hashlib.sha256(content).hexdigest()}"'),
                ("X-Repo-Commit", commit),
            ):
                self.send_header(key, value)
            self.end_headers()
            if body:
                self.wfile.write(content)

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    real = huggingface_hub.HfApi
    monkeypatch.setattr(
        huggingface_hub, "HfApi", lambda token: real(f"http://127.0.0.1:{server.server_port}", token=False)
    )
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    try:
        model = pyrogen.load_from_hub(REPO)
        with pytest.raises(ValueError, match="there is no repository"):
            pyrogen.load_from_hub("someone/nothing")
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    assert all(torch.equal(v, run.model.state_dict()[k]) for k, v in model.state_dict().items())
