"""The stories of examples/notebooks: each is converted to a Jupyter notebook and executed, at a small size, in one kernel."""

from pathlib import Path

import jupytext
import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

STORIES = sorted((Path(__file__).parent.parent / "examples" / "notebooks").glob("*.py"))
SAYS = {  # what each is about, in what its cells print
    "both_ways": "sigma",
    "densities_compared": "nats below the law",
    "own_data": "least evidence",
    "swap_a_prior": "gap",
    "what_z_could_be": "log p(x) =",
}


def test_every_story_is_listed():
    assert [path.stem for path in STORIES] == list(SAYS)


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    """One kernel for all: what costs most is to import torch."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYROGEN_NOTEBOOKS", "small")
        patch.setenv("IPYTHONDIR", str(tmp_path_factory.mktemp("ipython")))
        patch.delenv("MPLBACKEND", raising=False)  # a notebook has its own
        client = NotebookClient(new_notebook(), kernel_name="python3", timeout=600)
        with client.setup_kernel(cwd=str(tmp_path_factory.mktemp("stories"))):
            yield client


@pytest.mark.rotating
@pytest.mark.parametrize("path", STORIES, ids=[path.stem for path in STORIES])
def test_story_runs_as_a_notebook(path, client):
    client.nb = notebook = jupytext.read(path)
    assert notebook.cells[0].source.startswith("# ")  # a title
    notebook.cells.insert(0, new_code_cell("%reset -f"))  # nothing is known of the story before
    client.execute(cleanup_kc=False)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    assert SAYS[path.stem] in "".join(output.get("text", "") for output in outputs)
    assert any("image/png" in output.get("data", {}) for output in outputs), "a story has pictures"
