"""Figures show what they are given; the report is one page that is safe, complete and needs nothing else."""

import io
import re
from datetime import UTC, datetime
from html.parser import HTMLParser

import numpy as np
import pytest
import torch
from matplotlib.cbook import is_math_text
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure

from pyrogen.data import from_arrays
from pyrogen.figures import (
    attack_plots,
    density_plots,
    diffusion_plots,
    latent_plots,
    outlier_plots,
    plots,
    posterior_plots,
    probe_plots,
    report,
    score_plots,
    walk_plots,
)
from pyrogen.figures.figure_style import MUTED
from pyrogen.figures.report import Section, save_figures, write_report
from pyrogen.figures.shades import shades
from pyrogen.figures.svg import DARK, Drawing, data_uri, pixels, to_svg
from pyrogen.kinds import PLAIN

PNG = b"\x89PNG\r\n\x1a\n"
VOID = {"meta", "img", "link", "br"}
DATE = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)


def draws(kind, *shape):
    x = torch.rand(*shape, generator=torch.Generator().manual_seed(0))
    return {
        "binary": x.round(),
        "unit": x,
        "levels": (x * 255).round(),
        "real": 6 * x - 2,
        "counts": (400 * x).floor(),
        "positive": (6 * x - 3).exp(),
        "angle": 6 * x - 3,
    }[kind]


def offsets(figure, collection=0):
    return np.asarray(figure.axes[0].collections[collection].get_offsets())


def legend(figure):
    return legend_of(figure.axes[0])


def legend_of(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


NAMES = ["$5%-$10", "_under", "a_b^{c}", "100 $"]  # of classes, as people have them
HALF = np.full(4, 0.5)
PICTURES = torch.rand(4, 1, 8, 8, generator=torch.Generator().manual_seed(0))
NAMED = {
    "class bars": lambda: plots.class_bars(NAMES, HALF, HALF, "x"),
    "rows": lambda: plots.strips(PICTURES.unsqueeze(1), "unit", NAMES),
    "columns": lambda: plots.strips(PICTURES.unsqueeze(0), "unit", columns=NAMES),
    "histograms": lambda: plots.histograms({name: np.arange(9.0) for name in NAMES}, "x"),
    "attacked": lambda: attack_plots.moved_pictures(PICTURES, 1 - PICTURES, (0, 1), [(name, "") for name in NAMES]),
    "latents": lambda: latent_plots.latent_scatter(torch.randn(8, 2), np.array(NAMES * 2)),
    "a latent": lambda: latent_plots.latent_scatter(torch.randn(8, 1), np.array(NAMES * 2)),
    "pairs": lambda: latent_plots.pairs(torch.randn(8, 3), [0, 1, 2], np.array(NAMES * 2)),
    "ellipses": lambda: latent_plots.ellipses(torch.randn(8, 2), torch.eye(2).expand(8, 2, 2), np.array(NAMES * 2)),
    "factors": lambda: outlier_plots.shares(torch.rand(3, 4), NAMES),
    "strangers": lambda: outlier_plots.separations(["x"], {name: np.array([[0.5, 0.4, 0.6]]) for name in NAMES}),
    "sizes": lambda: outlier_plots.bottleneck([1, 2], dict.fromkeys(NAMES, (HALF[:2], HALF[:2])), "x"),
    "ways": lambda: walk_plots.shares(dict.fromkeys(NAMES, (0.5, 0.1)), "x"),
    "runs": lambda: probe_plots.accuracies([1, 2], NAMES, ["x"], np.ones((1, 4, 2)), np.ones((1, 4, 2)), 0.5),
}


@pytest.mark.parametrize("draw", NAMED.values(), ids=NAMED)
def test_names_are_shown_as_they_are(draw):
    """None is taken for a formula, which may not be one, and none is hidden."""
    figure = draw()
    figure.savefig(io.BytesIO())
    legends = [*figure.legends, *(axes.get_legend() for axes in figure.axes)]
    texts = [text.get_text() for one in legends if one is not None for text in one.get_texts()]
    texts += [t.get_text() for axes in figure.axes for t in (*axes.get_xticklabels(), *axes.get_yticklabels())]
    shown = [text.replace(r"\$", "$").strip().removesuffix(" →") for text in texts if not is_math_text(text)]
    assert [name for name in NAMES if shown.count(name) != 1] == []


class Page(HTMLParser):
    """Elements with their attributes, the text outside <style>, and a check that tags are balanced."""

    def __init__(self, source):
        super().__init__()
        self.elements, self.text, self.open = [], "", []
        self.feed(source)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.text += data

    def all(self, tag):
        return [attrs for name, attrs in self.elements if name == tag]


@pytest.fixture
def figure():
    return plots.image_grid(draws("unit", 4, 1, 8, 8), "unit")


# -- figures ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", PLAIN)
@pytest.mark.parametrize("channels", [1, 3])
def test_to_image_keeps_order_and_range(kind, channels):
    x = draws(kind, 5, channels, 4, 6)
    images = plots.to_image(x, kind)
    assert images.shape == (5, 4, 6, channels)
    spread = (x.min().item(), x.max().item())
    limits = {"levels": (0.0, 255.0), "real": spread, "counts": spread, "positive": spread, "angle": (-np.pi, np.pi)}
    low, high = limits.get(kind, (0.0, 1.0))
    expected = (x.double() - low) / (high - low)
    np.testing.assert_allclose(images, expected.permute(0, 2, 3, 1), atol=1e-12)
    assert images.min() >= 0
    assert images.max() <= 1


def test_to_image_survives_bad_values():
    assert plots.to_image(torch.full((1, 1, 4, 4), 3.0), "real").tolist() == [[[[0.0]] * 4] * 4]
    broken = torch.tensor([[[[float("nan"), float("inf"), -5.0, 0.25]] * 4]])
    assert plots.to_image(broken, "unit")[0, ..., 0].tolist() == [[0.0, 1.0, 0.0, 0.25]] * 4


@pytest.mark.parametrize(
    ("shape", "kind", "match"),
    [
        ((2, 1, 4, 4), "colour", "no kind called 'colour'; did you mean 'counts'"),
        ((2, 5), "unit", r"got \(2, 5\)"),
    ],
    ids=["kind", "shape"],
)
def test_to_image_refuses(shape, kind, match):
    with pytest.raises(ValueError, match=match):
        plots.to_image(torch.zeros(shape), kind)


@pytest.mark.parametrize(("n", "columns", "grid"), [(9, None, (3, 3)), (10, None, (3, 4)), (6, 6, (1, 6))])
def test_image_grid_holds_every_picture(n, columns, grid):
    figure = plots.image_grid(torch.zeros(n, 1, 64, 64), "unit", columns=columns, title="black")
    canvas = figure.axes[0].images[0].get_array()
    assert canvas.shape == (grid[0] * 69 - 5, grid[1] * 69 - 5)
    assert (canvas == 0).sum() == n * 64 * 64
    assert figure.axes[0].get_title(loc="left") == "black"


def test_reconstructions_stand_below_their_data():
    x = torch.zeros(20, 3, 64, 64)
    axes = plots.reconstructions(x, x + 0.5, "unit").axes[0]
    canvas = axes.images[0].get_array()
    assert canvas.shape == (2 * 69 - 5, 8 * 69 - 5, 4)
    assert (canvas[0, 0, 0], canvas[-1, 0, 0]) == (0.0, 0.5)
    assert [label.get_text() for label in axes.get_yticklabels()] == ["data", "reconstruction"]


def test_strips_name_their_rows_and_columns_in_the_middle():
    x = torch.zeros(2, 3, 1, 64, 64)
    x[1, 2] = 1.0
    axes = plots.strips(x, "unit", rows=["a", "b"], columns=["1", "2", "3"]).axes[0]
    canvas = axes.images[0].get_array()
    assert canvas.shape == (2 * 69 - 5, 3 * 69 - 5)
    assert axes.get_yticks().tolist() == [32, 69 + 32]
    assert axes.get_xticks().tolist() == [32, 69 + 32, 2 * 69 + 32]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["1", "2", "3"]
    assert canvas[69 + 32, 2 * 69 + 32] == 1
    assert canvas[32, 2 * 69 + 32] == 0


def test_names_of_strips_lie_within_the_figure():
    figure = plots.strips(torch.zeros(8, 8, 1, 8, 8), "unit", [*"abcdef", "Normal, predicted", "mean of 8 data"])
    figure.draw_without_rendering()
    assert min(label.get_window_extent().x0 for label in figure.axes[0].get_yticklabels()) >= 0


@pytest.mark.parametrize("name", ["n01440764_tench_" * 8, "a long name of a class " * 8, "two\nlines"])
def test_long_names_leave_pictures_their_room(name):
    figure = plots.strips(torch.zeros(2, 8, 1, 8, 8), "unit", [name, "b"])
    figure.draw_without_rendering()
    axes = figure.axes[0]
    label = axes.get_yticklabels()[0]
    assert axes.get_window_extent().width > 0.4 * figure.bbox.width
    assert label.get_window_extent().x0 >= 0
    assert label.get_text().startswith(name[:3])


def test_reconstructed_vectors_share_their_colours():
    maps = [a.images[0] for a in plots.reconstructions(torch.ones(3, 5), torch.full((3, 5), -4.0), "real").axes[:2]]
    assert [m.get_clim() for m in maps] == [(-4.0, 4.0)] * 2


def test_samples_are_drawn_as_what_they_are():
    assert len(plots.samples(torch.zeros(4, 1, 8, 8), "unit").axes[0].images) == 1
    assert offsets(plots.samples(draws("real", 30, 2), "real")).shape == (30, 2)
    assert plots.samples(draws("real", 30, 7), "real").axes[0].images[0].get_array().shape == (30, 7)
    assert sum(bar.get_height() for bar in plots.samples(draws("real", 30, 1), "real").axes[0].patches) == 30


def test_samples_stand_beside_their_data():
    x, data = draws("real", 30, 7), 2 * draws("real", 30, 7)
    panels = plots.samples(x, "real", data).axes[:2]
    assert [panel.get_title(loc="left") for panel in panels] == ["data", "samples"]
    np.testing.assert_allclose(panels[1].images[0].get_array(), x)
    assert panels[0].images[0].get_clim() == panels[1].images[0].get_clim()
    assert legend(plots.samples(draws("real", 30, 2), "real", draws("real", 9, 2))) == ["data", "samples"]
    assert legend(plots.samples(draws("real", 30, 1), "real", draws("real", 9, 1))) == ["data", "samples"]


def test_histograms_share_their_bins_and_integrate_to_one():
    first, second = np.linspace(0, 1, 100), np.append(np.linspace(0, 4, 50), np.nan)
    axes = plots.histograms({"a": first, "b": torch.tensor(second), "c": [np.inf]}, "nats").axes[0]
    assert legend_of(axes) == ["a", "b, 1 not finite"]
    for polygon in axes.patches:
        xy = polygon.get_xy()
        area = 0.5 * abs(np.dot(xy[:, 0], np.roll(xy[:, 1], 1)) - np.dot(xy[:, 1], np.roll(xy[:, 0], 1)))
        assert area == pytest.approx(1.0)
    assert axes.get_xlabel() == "nats"


def test_bars_put_the_highest_first():
    axes = plots.bars([0.1, 2.0, 0.5], "latent", "KL").axes[0]
    assert [bar.get_height() for bar in axes.patches] == [2.0, 0.5, 0.1]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["2", "3", "1"]
    assert plots.bars(np.arange(30.0), "", "").axes[0].get_xticklabels() == []


def test_a_landscape_has_its_first_coordinate_along_rows():
    values = np.zeros((4, 4))
    values[0, 3] = 1.0
    axes = plots.landscape(values, (0, 4, 10, 14), "score", data=[[1.0, 11.0]]).axes[0]
    image = axes.images[0]
    assert (image.origin, [*image.get_extent()]) == ("lower", [0, 4, 10, 14])
    assert image.get_array()[0, 3] == 1  # x₁ high, x₂ low
    assert axes.collections[0].get_offsets().tolist() == [[1, 11]]


def test_points_lie_on_those_of_the_data():
    x, data = draws("real", 30, 2), draws("real", 50, 2)
    figure = plots.points(x, data, title="ring")
    assert legend(figure) == ["data", "samples"]
    np.testing.assert_allclose(offsets(figure, 1), x)
    np.testing.assert_allclose(offsets(figure, 0), data)


def test_manifold_is_seamless():
    x = torch.arange(4.0).div(4).reshape(4, 1, 1, 1).expand(4, 1, 64, 64)
    canvas = plots.manifold(x, "unit", side=2).axes[0].images[0].get_array()
    assert canvas.shape == (128, 128)
    assert canvas[::64, ::64].tolist() == [[0.0, 0.25], [0.5, 0.75]]


def test_latent_scatter_of_a_plane_shows_the_latents():
    z, y = draws("real", 40, 2), torch.arange(40) % 4
    figure = latent_plots.latent_scatter(z, y)
    assert legend(figure) == ["0", "1", "2", "3"]
    np.testing.assert_allclose(offsets(figure, 1), z[y == 1])


def test_latent_scatter_names_the_explained_variance():
    z = torch.randn(500, 3, generator=torch.Generator().manual_seed(0)) * torch.tensor([0.0, 3.0, 1.0])
    figure = latent_plots.latent_scatter(z)
    shares = [
        int(re.search(r"(\d+)%", label)[1]) for label in (figure.axes[0].get_xlabel(), figure.axes[0].get_ylabel())
    ]
    assert shares == pytest.approx([90, 10], abs=2)
    assert sum(shares) == 100
    np.testing.assert_allclose(np.abs(offsets(figure)[:, 0]), (z[:, 1] - z[:, 1].mean()).abs(), atol=0.6)


def test_latent_scatter_draws_collapsed_latents():
    assert not offsets(latent_plots.latent_scatter(torch.ones(20, 5))).any()
    assert not offsets(latent_plots.latent_scatter(torch.ones(1, 5))).any()  # of one datum


def test_latent_scatter_by_tsne_is_seeded_and_bounded():
    z, y = draws("real", 60, 5), torch.arange(60) % 2
    first, second = latent_plots.latent_scatter(z, y, "tsne"), latent_plots.latent_scatter(z, y, "tsne")
    assert len(offsets(first, 0)) + len(offsets(first, 1)) == 60
    np.testing.assert_array_equal(offsets(first), offsets(second))


@pytest.mark.parametrize("n", [10, 60])
def test_tsne_of_collapsed_latents_is_a_point(n):
    assert not offsets(latent_plots.latent_scatter(torch.ones(n, 5), method="tsne")).any()


def test_latent_scatter_with_many_labels_has_a_colour_bar():
    assert len(latent_plots.latent_scatter(draws("real", 40, 2), torch.arange(40)).axes) == 2


def test_latent_scatter_with_many_names_has_them_beside_its_colours():
    names = np.array([chr(ord("a") + i % 26) for i in range(52)])
    for method in ("auto", "tsne"):
        bar = latent_plots.latent_scatter(draws("real", 52, 3), names, method).axes[1]
        assert [text.get_text() for text in bar.get_yticklabels()] == sorted(set(names))
    colours = latent_plots.latent_scatter(draws("real", 52, 2), names).axes[0].collections[0].get_array()
    assert list(colours) == [ord(name) - ord("a") for name in names]


def test_beliefs_show_draws_of_all_chains():
    draws_ = np.random.default_rng(0).normal(size=(1, 1200, 2))
    draws_[0, 300:] += 50  # chains that have not met
    shown = posterior_plots.beliefs(draws_, draws_, ["datum 0"]).axes[0].collections[0].get_offsets()
    far = np.linalg.norm(shown - shown[0], axis=1) > 1
    assert (len(shown), far.mean()) == (300, pytest.approx(0.75, abs=0.01))


def test_latent_scatter_of_one_latent_is_a_histogram():
    figure = latent_plots.latent_scatter(draws("real", 40, 1), torch.arange(40) % 2)
    assert sum(bar.get_height() for bar in figure.axes[0].patches) == 40
    assert sorted(legend(figure)) == ["0", "1"]


def test_latent_scatter_refuses_unknown_methods():
    with pytest.raises(ValueError, match="'auto', 'pca', 'tsne'; got 'umap'"):
        latent_plots.latent_scatter(torch.zeros(3, 3), method="umap")


def test_the_aggregated_posterior_lies_upon_the_prior():
    posterior, prior = draws("real", 40, 2), 3 * draws("real", 30, 2)
    figure = latent_plots.aggregated(posterior, prior)
    assert legend(figure) == ["prior p(z)", "codes, z ~ q(z|x)"]
    np.testing.assert_allclose(offsets(figure, 0), prior)
    np.testing.assert_allclose(offsets(figure, 1), posterior)


def test_priors_of_many_latents_are_seen_along_the_axes_of_the_posterior():
    generator = torch.Generator().manual_seed(0)
    posterior = torch.randn(500, 5, generator=generator) * torch.tensor([0.1, 4.0, 0.1, 2.0, 0.1])
    prior = torch.zeros(3, 5)
    prior[1, 1] = prior[2, 3] = 1.0
    figure = latent_plots.aggregated(posterior, prior)
    assert "of the variance" in figure.axes[0].get_xlabel()
    lower = offsets(figure, 0) - offsets(figure, 0)[0]
    np.testing.assert_allclose(np.abs(lower[1:]), np.eye(2), atol=0.05)


@pytest.mark.parametrize("latents", [1, 3, 8])
def test_marginals_have_a_panel_for_each_latent(latents):
    z = draws("real", 50, 8)
    figure = latent_plots.marginals(z, z + 1, list(range(latents))[::-1])
    assert [axes.get_title() for axes in figure.axes] == [f"$z_{{{i + 1}}}$" for i in range(latents)][::-1]
    (posterior, prior) = figure.axes[0].patches[0], figure.axes[0].patches[-1]
    assert posterior.get_facecolor() != prior.get_edgecolor()
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["codes, z ~ q(z|x)", "prior p(z)"]


def test_pairs_show_each_latent_against_each_once():
    z, y = draws("real", 60, 5), torch.arange(60) % 3
    figure = latent_plots.pairs(z, [4, 0, 2, 1], y)
    assert len(figure.axes) == 4 * 3 // 2
    np.testing.assert_allclose(offsets(figure, 1), z[y == 1][:, [4, 0]])
    last = figure.axes[-1]
    np.testing.assert_allclose(np.asarray(last.collections[0].get_offsets()), z[y == 0][:, [2, 1]])
    assert (last.get_xlabel(), figure.axes[0].get_ylabel()) == ("$z_{3}$", "$z_{1}$")
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["0", "1", "2"]


def test_ellipses_have_the_widths_and_angles_of_their_covariances():
    mean, turn = torch.tensor([[0.0, 0.0], [3.0, 1.0]]).double(), np.radians(30)
    axes_ = torch.tensor([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    covariance = torch.stack([axes_ @ torch.diag(torch.tensor([4.0, 1.0]).double()) @ axes_.T, torch.eye(2).double()])
    figure = latent_plots.ellipses(mean, covariance)
    drawn = figure.axes[0].collections[0]
    np.testing.assert_allclose(drawn.get_offsets(), mean)
    np.testing.assert_allclose(drawn.get_widths(), [4, 2])  # full axes of one standard deviation
    np.testing.assert_allclose(drawn.get_heights(), [2, 2])
    assert drawn.get_angles()[0] % 180 == pytest.approx(30)
    coloured = latent_plots.ellipses(mean, covariance, np.array(["a", "b"]))
    assert legend(coloured) == ["a", "b"]


def test_ellipses_of_many_latents_are_shadows_in_their_principal_plane():
    mean = torch.randn(200, 4, generator=torch.Generator().manual_seed(0)) * torch.tensor([5.0, 0.1, 3.0, 0.1])
    covariance = torch.diag(torch.tensor([1.0, 9.0, 4.0, 9.0])).expand(200, 4, 4)
    (drawn, *_) = latent_plots.ellipses(mean, covariance).axes[0].collections
    widths = np.sort(np.stack([drawn.get_widths(), drawn.get_heights()]), 0)
    np.testing.assert_allclose(widths.T, [[2, 4]] * 200, rtol=0.1)


def test_class_bars_stand_in_order_with_their_errors():
    axes = plots.class_bars(["a", "b", "c"], [1.0, 2.0, 3.0], [0.1, float("nan"), 0.3], "nats").axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b", "c"]
    np.testing.assert_allclose(axes.lines[0].get_xydata(), [[1, 2], [2, 1], [3, 0]])
    bars = [np.ptp(segment[:, 0]) for segment in axes.collections[0].get_segments()]
    np.testing.assert_allclose(bars, [0.2, 0, 0.6], atol=1e-12)


def test_scored_points_have_the_lowest_on_top():
    x, scores = draws("real", 30, 2), torch.arange(30.0)
    figure = plots.scored_points(x, scores, "nats")
    np.testing.assert_allclose(offsets(figure), x.flip(0))
    np.testing.assert_allclose(figure.axes[0].collections[0].get_array(), scores.flip(0))
    assert figure.axes[1].get_ylabel() == "nats"


def test_a_film_of_points_has_a_panel_for_each_time():
    frames = {f"epoch {i}": draws("real", 20, 2) + i for i in range(5)}
    figure = plots.point_film(frames, draws("real", 9, 2))
    assert [axes.get_title() for axes in figure.axes] == list(frames)
    assert len({axes.get_xlim() for axes in figure.axes}) == 1
    np.testing.assert_allclose(np.asarray(figure.axes[3].collections[1].get_offsets()), frames["epoch 3"])


def test_curves_say_where_epoch_0_was_when_it_was_far():
    rows = [{"epoch": 0, "valid/loss": 500.0, "valid/kl": 1.1, "valid/n": 0.0}]
    rows += [{"epoch": i, "valid/loss": 10.0 - i, "valid/kl": 1.0 + 0.1 * i, "valid/n": 20.0} for i in range(1, 6)]
    loss, kl, constant = plots.curves(rows).axes
    assert loss.get_ylim()[1] < 12
    assert [text.get_text() for text in loss.texts] == ["epoch 0: 500"]
    assert kl.lines[0].get_xdata()[0] == 0
    assert kl.texts[:] == constant.texts[:] == []
    assert constant.get_ylim()[0] <= 0


def test_curves_have_a_panel_for_each_term():
    history = [
        {
            "epoch": 1,
            "seconds": 0.1,
            "train/loss": 3.0,
            "valid/loss": 4.0,
            "critic/loss": 0.7,
            "note": "warm",
            "kl": [1.0],
        },
        {"epoch": 2, "seconds": 0.1, "train/loss": 2.0, "critic/loss": 0.6, "train/kl": None},
        {"epoch": 3, "seconds": 0.1, "train/loss": 1.0, "valid/loss": 2.0, "critic/loss": float("nan")},
    ]
    panels = plots.curves(history).axes
    assert [panel.get_title(loc="left") for panel in panels] == ["loss", "critic/loss"]
    train, valid = panels[0].lines
    assert train.get_xydata().tolist() == [[1, 3], [2, 2], [3, 1]]
    assert valid.get_xydata().tolist() == [[1, 4], [3, 2]]
    assert legend(plots.curves(history)) == ["train", "valid"]


@pytest.mark.parametrize(("terms", "panels"), [(0, 0), (1, 1), (3, 3), (4, 4)])
def test_curves_leave_no_empty_panel(terms, panels):
    figure = plots.curves([{f"train/{i}": 0.0 for i in range(terms)}])
    assert len(figure.axes) == panels


def test_k_curve_has_log_axis_and_a_band():
    others = {"jackknife": (-1.4, 0.3), "psis": (-1.3, 0.2)}
    axes = score_plots.k_curve([1, 10, 5000], [-3.0, -2.0, -1.5], torch.tensor([0.1, 0.2, 0.3]), others).axes[0]
    assert axes.get_xscale() == "log"
    assert axes.lines[0].get_xydata().tolist() == [[1, -3], [10, -2], [5000, -1.5]]
    (band,) = (c for c in axes.collections if isinstance(c, PolyCollection))
    edge = band.get_paths()[0].vertices
    widths = [np.ptp(edge[edge[:, 0] == k][:, 1]) for k in (1, 10, 5000)]
    assert widths == pytest.approx([0.2, 0.4, 0.6])
    assert legend_of(axes) == ["bound", "jackknife", "psis"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["1", "10", "5000"]


def test_pareto_histogram_counts_everything():
    axes = score_plots.pareto_histogram([0.1, 0.7, 0.71, 5.0, float("nan"), float("-inf"), float("inf")]).axes[0]
    assert axes.get_xlabel() == "Pareto k̂\n3 of 7 above 0.7, 1 exact (k̂ = −∞), 1 not estimated (NaN)"
    assert axes.lines[0].get_xdata()[0] == 0.7
    good, bad = (sum(bar.get_height() for bar in bars) for bars in axes.containers)
    assert (good, bad) == (2, 2)


def test_the_threshold_of_k_hat_may_be_lower():
    axes = score_plots.pareto_histogram([0.1, 0.45, 0.6], 0.5).axes[0]
    assert axes.get_xlabel() == "Pareto k̂\n1 of 3 above 0.5"
    assert axes.lines[0].get_xdata()[0] == 0.5


def test_acceptance_is_red_outside_its_limits():
    axes = score_plots.acceptance_histogram([0.0, 0.29, 0.31, 0.65, 0.94, 0.96, 1.0], 0.3, 0.95).axes[0]
    good, bad = (sum(bar.get_height() for bar in bars) for bars in axes.containers)
    assert (good, bad) == (3, 4)
    assert axes.get_xlabel() == "rate of acceptance\n4 of 7 outside 0.3 to 0.95"
    assert [line.get_xdata()[0] for line in axes.lines] == [0.3, 0.95]


def test_doubling_shows_what_changed_by_more_than_its_errors():
    axes = score_plots.doubling([-5.0, -6.0, -9.0], [-4.9, -6.0, -7.0], [0.2, 0.1, 0.1]).axes[0]
    within, beyond = (line for line in axes.lines if line.get_marker() == "o")
    np.testing.assert_allclose(within.get_xydata(), [[-4.9, 0.1], [-6.0, 0.0]])
    np.testing.assert_allclose(beyond.get_xydata(), [[-7.0, 2.0]])
    assert legend_of(axes) == ["within its errors", "beyond them"]


def test_brackets_stand_in_order_and_cross_in_red():
    axes = score_plots.brackets([-2.0, -5.0, -3.0], [-1.0, -4.5, -3.2], [0.1] * 3, [0.1] * 3).axes[0]
    upper, lower = (line.get_ydata().tolist() for line in axes.lines if line.get_marker() in "v^")
    assert lower == [-5.0, -3.0, -2.0]
    assert upper == [-4.5, -3.2, -1.0]
    colors = axes.collections[0].get_colors()
    assert (colors[0] == colors[2]).all()
    assert (colors[0] != colors[1]).any()


def test_estimates_point_to_where_the_truth_lies():
    bounds = ["lower", "upper", "exact", "none"]
    axes = score_plots.estimates(
        list("abcd"), [-4, -3, -2, -1], [0.1, 0, 0, 0], [0.5, 0.5, 0.5, float("nan")], bounds
    ).axes[0]
    assert [line.get_marker() for line in axes.lines if line.get_marker() in "><Do"] == [">", "<", "D", "o"]
    assert [text.get_text() for text in axes.texts] == list("abcd")
    thick = [c.get_segments()[0] for c in axes.collections if c.get_linewidth()[0] == 3]
    assert np.ptp(thick[0][:, 0]) == pytest.approx(0.2)


def test_an_estimate_that_is_not_finite_has_no_place():
    means = [-4.0, float("nan"), float("-inf")]
    axes = score_plots.estimates(list("abc"), means, [0.1] * 3, [0.5] * 3, ["lower"] * 3).axes[0]
    assert [text.get_text() for text in axes.texts] == ["a", "b", "nan, not finite", "c", "−inf, not finite"]
    assert [float(line.get_xdata()[0]) for line in axes.lines if line.get_marker() == ">"] == [-4.0]
    assert axes.get_xlim()[0] > -6


def test_pareto_histogram_without_any_estimate():
    assert "0 of 2 above 0.7, 2 exact" in score_plots.pareto_histogram([-np.inf, -np.inf]).axes[0].get_xlabel()


# -- reports ---------------------------------------------------------------------------------------------------------


def test_report_escapes_all_text(tmp_path, figure):
    evil = '<script>alert("1")</script>&{style}'
    section = Section(evil, evil, [[evil], [evil]], [(evil, figure)], evil)
    source = write_report(tmp_path / "report.html", evil, evil, [section, section]).read_text()
    page = Page(source)
    assert page.all("script") == []
    # <title>, <h1>, subtitle, two entries of the contents; two times heading, text, code, 2 cells, caption
    assert page.text.count(evil) == 5 + 2 * 6
    assert [image["alt"] for image in page.all("img")] == [evil] * 2


def test_report_needs_nothing_else(tmp_path, figure):
    sections = [Section("Samples", figures=[("Digits.", figure)]), Section("Numbers", table=[["a"], ["1"]])]
    page = Page(write_report(tmp_path / "report.html", "vae", "on digits", sections).read_text())
    links = [value for _, attrs in page.elements for name, value in attrs.items() if name in ("src", "href", "action")]
    assert [link.split(",")[0] for link in links] == ["#section-1", "#section-2", "data:image/svg+xml"]
    assert {section["id"] for section in page.all("section")} == {"section-1", "section-2"}
    assert {"script", "link", "iframe", "object"}.isdisjoint(tag for tag, _ in page.elements)
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in page.all("meta")
    policy = next(meta["content"] for meta in page.all("meta") if "http-equiv" in meta)
    assert policy.startswith("default-src 'none'")


def test_a_figure_reads_on_light_and_on_dark_pages():
    source = to_svg(plots.histograms({"a": [0.0, 1.0]}, "nats"))
    assert source == to_svg(plots.histograms({"a": [0.0, 1.0]}, "nats"))
    sheet = re.search(r"<style>(.*?)</style>", source)[1]
    assert sheet.startswith("@media (prefers-color-scheme: dark)")
    for light, dark in DARK.items():
        assert light != dark
        assert f'[style*="fill: {light}"]{{fill:{dark}!important}}' in sheet
    # letters are of a colour that the sheet knows, and nothing is painted behind
    body = source.split("</style>", 1)[1]
    assert f"fill: {MUTED}" in body
    assert not re.search(r"fill: #(fff|ffffff|FFFFFF)\b(?!; opacity: 0|; fill-opacity: 0)", body)
    assert "http" not in re.sub(r'xmlns(:xlink)?="[^"]*"', "", source)


def test_pictures_keep_their_own_pixels():
    x = torch.rand(64, 1, 28, 28)
    assert len(data_uri(plots.image_grid(x, "unit"))) < 200_000


def test_what_was_drawn_before_is_shown_as_it_was():
    figure = plots.histograms({"a": [0.0, 1.0]}, "nats")
    drawn = Drawing(to_svg(figure))
    assert pixels(drawn) == pixels(figure)
    assert data_uri(drawn) == data_uri(figure)


PLACES = {
    "one": ([300], ([], [], [0])),
    "two": ([300, 200], ([0], [1], [])),
    "three": ([300, 200, 100], ([0], [1, 2], [])),
    "the last has its words beside it": ([300, 300, 300], ([0], [1], [2])),
    "none": ([], ([], [], [])),
}


@pytest.mark.parametrize(("heights", "places"), PLACES.values(), ids=PLACES)
def test_columns_are_as_equally_high_as_can_be(heights, places):
    assert report._columns(heights) == places


def test_no_column_is_half_empty():
    rng = np.random.default_rng(0)
    for n in range(2, 12):
        heights = rng.uniform(200, 500, n).tolist()
        left, right, alone = report._columns(heights)
        assert sorted([*left, *right, *alone]) == list(range(n))
        assert len(alone) <= 1
        sides = [sum(heights[i] for i in side) for side in (left, right)]
        assert min(sides) > 0.4 * max(sides)


def test_nothing_is_wider_than_the_page(tmp_path):
    """Pictures shrink, tables scroll inside themselves, long words break."""
    wide = plots.strips(torch.zeros(2, 2, 1, 8, 8), "unit")
    wide.set_size_inches(9, 2)
    figures = [("Wide.", wide), ("Narrow.", plots.bars([1.0, 2.0], "", ""))]
    sections = [Section("A", "word" * 200, [["column"] * 30] * 2, figures, "code" * 200)]
    source = write_report(tmp_path / "r.html", "t" * 300, "s", sections).read_text()
    page = Page(source)
    for rule in (
        "overflow-wrap: anywhere",
        "img { display: block; max-width: 100%",
        ".scroll { margin-bottom: 1rem; overflow-x: auto",
        "white-space: pre-wrap",
        "minmax(0, 1fr)",
        "@media (max-width: 40rem)",
    ):
        assert rule in source
    assert len(page.all("table")) == sum(element.get("class") == "scroll" for element in page.all("div"))
    assert [element.get("class") for element in page.all("div")] == ["wide", "alone", "scroll"]
    assert all("width" not in attrs.get("style", "") for _, attrs in page.elements)


def test_pictures_come_before_words(tmp_path, figure):
    sections = [Section("A", "Some words.", [["a"], ["1"]], [("Digits.", figure)], "code")]
    source = write_report(tmp_path / "r.html", "t", "s", sections).read_text()
    places = [source.index(mark) for mark in ("<h2>", "<img", "Some words.", "<pre>", "<table>")]
    assert places == sorted(places)


def test_report_figures_have_captions_and_sizes(tmp_path, figure):
    path = write_report(tmp_path / "report.html", "vae", "", [Section("Samples", figures=[("Digits & more.", figure)])])
    page = Page(path.read_text())
    (image,) = page.all("img")
    assert image["alt"] == "Digits & more."
    assert int(image["width"]) == round(figure.get_figwidth() * 96)
    assert "Digits & more." in page.text
    assert page.all("nav") == []


def test_report_aligns_columns_of_numbers(tmp_path):
    table = [["estimator", "nats", "bound"], ["ELBO", "-24.3 ± 0.1", "lower"], ["IWAE", "—", "lower"], ["short"]]
    page = Page(write_report(tmp_path / "report.html", "t", "s", [Section("Evidence", table=table)]).read_text())
    assert [cell.get("class") for cell in page.all("th")] == [None, "number", None]
    assert [cell.get("class") for cell in page.all("td")] == [None, "number", None] * 3


def test_report_says_what_made_it_and_when(tmp_path):
    page = Page(write_report(tmp_path / "report.html", "t", "s", [], date=DATE).read_text())
    assert page.all("time") == [{"datetime": "2026-01-02T03:04:00+00:00"}]
    assert re.search(r"pyrogen \S+ · torch \S+ · Python \d.*2026-01-02 03:04 UTC", page.text)


def test_report_paragraphs(tmp_path):
    page = Page(write_report(tmp_path / "r.html", "t", "s", [Section("A", "one\nline\n\ntwo\n\n")]).read_text())
    assert len(page.all("p")) == 1 + 2


def test_reports_and_figures_are_written_whole_or_not_at_all(tmp_path, figure, monkeypatch):
    path = write_report(tmp_path / "new" / "report.html", "first", "", [])
    saved = save_figures(tmp_path / "new" / "figures", {"grid": figure})
    assert saved == [tmp_path / "new" / "figures" / "grid.png"]
    assert saved[0].read_bytes().startswith(PNG)

    def full(source, target):
        raise OSError("disk full")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(OSError, match="disk full"):
        write_report(path, "second", "", [])
    assert "first" in path.read_text()
    assert sorted(p.name for p in path.parent.rglob("*")) == ["figures", "grid.png", "report.html"]


def test_figures_leave_pyplot_alone(figure):
    from matplotlib import pyplot

    assert isinstance(figure, Figure)
    assert pyplot.get_fignums() == []


def test_pictures_of_standardized_channels_have_their_own_colours():
    raw = np.random.default_rng(0).random((60, 3, 4, 4)) * np.array([1.0, 0.5, 0.1])[:, None, None] + 0.2
    part = from_arrays(raw).test
    restored = part.view.scale.restore(part.x)
    low, high = float(restored.min()), float(restored.max())
    shown = plots.to_image(part.x, "real", shades(part, "real"))
    assert np.allclose(shown, (restored.permute(0, 2, 3, 1).numpy() - low) / (high - low), atol=1e-6)
    assert np.ptp(shown[..., 2]) < 0.2 < np.ptp(plots.to_image(part.x, "real")[..., 2])  # whose control is false


@pytest.mark.parametrize("kind", ["real", "counts"])
def test_what_is_beside_data_is_as_dark_as_they_are(kind):
    x = draws(kind, 8, 1, 4, 4)
    data = from_arrays(x.double().numpy(), standardize=False)
    within = shades(data.test, kind)
    assert within == (float(data.test.x.min()), float(data.test.x.max()))
    flat = torch.full((1, 1, 4, 4), float(data.test.x.mean()))
    grey = plots.samples(flat, kind, within=within).axes[0].images[0].get_array()
    middle = (float(data.test.x.mean()) - within[0]) / (within[1] - within[0])
    assert np.ma.compressed(grey) == pytest.approx(middle)  # stretched by itself it would be black


def test_points_that_a_window_leaves_out_are_counted():
    data = 100 + np.random.default_rng(0).random((50, 2))
    far = np.concatenate([data, [[500.0, 100.0], [np.nan, 100.0]]])
    for figure in (
        plots.point_film({"epoch 0": data, "epoch 1": far}, data),
        diffusion_plots.denoised({"step 1": data, "step 2": data}, {"step 1": data, "step 2": far}),
    ):
        assert [[text.get_text() for text in axes.texts] for axes in figure.axes[:2]] == [[], ["2 outside"]]
        (left, right), (low, high) = figure.axes[0].get_xlim(), figure.axes[0].get_ylim()
        assert max(right - left, high - low) < 3  # about the data, not the origin


def test_a_scale_that_ends_below_the_highest_says_so():
    density = np.exp(-(np.linspace(-9, 9, 400).reshape(20, 20) ** 2))
    figure = density_plots.density_image(density, (0, 1, 0, 1), np.zeros(3), np.zeros(3))
    assert figure.axes[0].images[0].colorbar.extend == "max"


def test_a_map_of_many_latents_names_some():
    axes = outlier_plots.shares(np.random.default_rng(0).random((300, 2)), ["a", "b"]).axes[0]
    names = [text.get_text() for text in axes.get_xticklabels()]
    assert len(names) <= 24
    assert names[:2] == ["1", "14"]
