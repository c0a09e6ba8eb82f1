"""What is seen of a training while it runs."""

import sys
import types

import pytest

import pyrogen
from pyrogen.inference import fit
from pyrogen.inference.training import progress
from pyrogen.inference.training.progress import Bar, Display, Lines, Notebook, display


@pytest.fixture(scope="module")
def model():
    return pyrogen.create("vae", x_shape=(1, 8, 8), latent_size=2, hidden=(8,))


def test_off_a_terminal_the_last_epoch_is_a_line_with_its_terms(model, capsys):
    fit(model, "digits", epochs=3, batch_size=500)
    printed = capsys.readouterr()
    assert printed.out == ""
    (line,) = printed.err.splitlines()
    assert line.startswith("training: epoch 3 of 3  loss ")
    assert "  kl " in line
    assert "  valid/loss " in line
    fit(model, "digits", epochs=1, batch_size=500, progress=False)
    assert capsys.readouterr().err == ""


def test_lines_keep_their_distance_and_the_last_is_always_one(capsys):
    now = [0.0]
    with Lines(interval=10, clock=lambda: now[0]) as lines:
        lines.stage("first", 10, 0)
        for epoch in range(1, 8):
            now[0] += 4
            lines.epoch(epoch, 7, "loss 1")
        lines.stage("second", 10, 0)
        lines.epoch(1, 100, "loss 2")  # and stopped there
    assert capsys.readouterr().err.splitlines() == [
        "first: epoch 3 of 7  loss 1",
        "first: epoch 6 of 7  loss 1",
        "first: epoch 7 of 7  loss 1",
        "second: epoch 1 of 100  loss 2",
    ]


def test_a_bar_on_a_terminal_lines_elsewhere_and_one_process_speaks(monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert type(display(None, True)) is Bar
    monkeypatch.setattr(sys.stderr, "isatty", lambda: False, raising=False)
    assert type(display(None, True)) is Lines
    assert type(display(True, True)) is Bar
    assert type(display(False, True)) is Display
    assert type(display(None, False)) is Display


def test_a_live_bar_in_a_notebook(model, monkeypatch):
    shown = []

    class Handle:
        def update(self, data, raw):
            assert raw
            shown.append(data)

    def show(data, raw, display_id):
        assert raw
        assert display_id is True
        shown.append(data)
        return Handle()

    notebook = types.ModuleType("IPython")
    notebook.get_ipython = lambda: types.SimpleNamespace(kernel=object())
    notebook.display = types.ModuleType("IPython.display")
    notebook.display.display = show
    monkeypatch.setitem(sys.modules, "IPython", notebook)
    monkeypatch.setitem(sys.modules, "IPython.display", notebook.display)
    monkeypatch.setattr(progress, "REDRAWN", 0.0)
    assert type(display(None, True)) is Notebook
    shown.clear()
    fit(model, "digits", epochs=2, batch_size=500)
    assert shown[0]["text/plain"].startswith("training 0/1")
    assert shown[-1]["text/plain"].startswith("training 6/6  loss ")
    assert '<progress value="6" max="6">' in shown[-1]["text/html"]
    notebook.get_ipython = lambda: types.SimpleNamespace()  # IPython on a terminal
    assert type(display(None, True)) is Lines
