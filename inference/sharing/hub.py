"""Models on the Hugging Face hub, by ``huggingface_hub``: plain files go up and come down, and no code is run from them."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from pyrogen import pretrained, storage
from pyrogen.base import Model
from pyrogen.files import first_line
from pyrogen.inference.sharing.pack import PARTS, pack, place
from pyrogen.inference.training.run import Run

READ = (storage.CONFIG, storage.WEIGHTS)  # all that makes a model


def save_to_hub(
    run: Run | str | Path,
    repo: str,
    *,
    private: bool = False,
    license: str | None = None,
    token: str | None = None,
    message: str = "A run of pyrogen",
) -> str:
    """Put a run on the hub: its config, last weights, history, scores, and a card made from them.

    Args:
        run: what :func:`~pyrogen.inference.fit` or :func:`pyrogen.load_run` gave, or a folder.
        repo: "user/name"; it is made if there is none.
        private: whether a new repository can be seen by its owner alone.
        license: of the weights, as the hub abbreviates it ("mit"), for the card.
        token: of the user; by default that of ``hf auth login``.
        message: of the commit.

    Returns:
        The address of the repository.

    Raises:
        ValueError: the run lies in no folder or has not ended, huggingface_hub is not installed, or the name is none.
        OSError: the hub cannot be reached, or refuses.
    """
    folder = run.folder if isinstance(run, Run) else Path(run)
    if folder is None:
        raise ValueError("this run lies in no folder, and a folder is what goes to the hub; fit(..., folder=...).")
    hub = library()
    with tempfile.TemporaryDirectory() as place, _told(hub, repo):
        pack(folder, place, f'pyrogen.load_from_hub("{repo}")', license)
        api = hub.HfApi(token=token)
        url = api.create_repo(repo, private=private, exist_ok=True)
        # what judged other weights goes
        api.upload_folder(repo_id=repo, folder_path=place, commit_message=message, delete_patterns=list(PARTS))
    return str(url)


def load_from_hub(
    repo: str, *, revision: str | None = None, token: str | None = None, model: Model | None = None
) -> Model:
    """The model of a repository on the hub, in evaluation mode; only its config and its weights are downloaded.

    Args:
        repo: "user/name".
        revision: a branch, tag or commit; a commit is what never changes.
        token: of the user; by default that of ``hf auth login``.
        model: needed only where the model was made with networks of its maker's own: an equal one, to be filled.

    Raises:
        ValueError: there is no such repository, it holds no model of pyrogen or a damaged one, or huggingface_hub is not
            installed.
        OSError: the hub cannot be reached.
    """
    return _read(_downloaded(repo, READ, revision, token), repo, model)


def fetch(
    name: str, folder: str | Path | None = None, *, revision: str | None = None, token: str | None = None
) -> Path:
    """Bring a trained model into a folder of one's own, where every verb takes it as any other run.

    Args:
        name: an entry whose weights come with the package, or "user/name" on the hub.
        folder: where to; by default ``runs/`` and the last part of the name.
        revision: of a repository, as in :func:`load_from_hub`.
        token: likewise.

    Returns:
        The folder.

    Raises:
        ValueError: a run lies there already, or as :func:`pyrogen.create` and :func:`load_from_hub`.
        OSError: the hub cannot be reached, or the folder not be written.
    """
    target = Path("runs") / name.rpartition("/")[2] if folder is None else Path(folder)
    if "/" not in name:
        return place(pretrained.pretrained_folder(name), target)
    source = _downloaded(name, PARTS, revision, token)
    _read(source, name, None)
    return place(source, target)


def library() -> ModuleType:
    """huggingface_hub.

    Raises:
        ValueError: it is not installed.
    """
    try:
        import huggingface_hub
    except ImportError as error:
        raise ValueError(
            "the hub is reached by huggingface_hub, which is not installed here; pip install 'pyrogen[hub]'."
        ) from error
    return huggingface_hub


def _downloaded(repo: str, patterns: tuple[str, ...], revision: str | None, token: str | None) -> Path:
    hub = library()
    with _told(hub, repo):
        api = hub.HfApi(token=token)
        lacking = sorted({*READ} - {*api.list_repo_files(repo, revision=revision)})
        if lacking:
            raise ValueError(f"{repo} on the hub is no model of pyrogen: it holds no {' and no '.join(lacking)}.")
        return Path(api.snapshot_download(repo, revision=revision, allow_patterns=list(patterns)))


def _read(folder: Path, repo: str, model: Model | None) -> Model:
    """The model in a folder; what is wrong with it is said of the repository, not of the cache where it lies."""
    try:
        read: Model = storage.load(folder, model)
    except ValueError as error:
        said = first_line(error).replace(str(folder), repo)
        raise ValueError(f"{said if repo in said else f'{repo}: {said}'}") from error
    return read


@contextlib.contextmanager
def _told(hub: ModuleType, repo: str) -> Iterator[None]:
    """Errors of the hub in one sentence each."""
    try:
        yield
    except hub.errors.RevisionNotFoundError as error:
        raise ValueError(f"{repo} on the hub has no such revision: {first_line(error)}") from error
    except hub.errors.RepositoryNotFoundError as error:
        raise ValueError(
            f"there is no repository {repo} on the hub, or you may not read it; hf auth login says who you are."
        ) from error
    except hub.errors.HFValidationError as error:
        raise ValueError(f"{repo!r} is no name on the hub, which are as 'user/name'.") from error
    except (hub.errors.HTTPError, hub.errors.OfflineModeIsEnabled) as error:
        raise OSError(f"the hub could not be reached for {repo}: {first_line(error)}") from error
