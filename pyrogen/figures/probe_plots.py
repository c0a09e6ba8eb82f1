"""Pictures of what probes read: numbers in, a matplotlib ``Figure`` out."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from pyrogen.figures.figure_style import FAINT, MUTED, PALETTE, WIDTH, Array, as_array, blank, legend, plain, style


def accuracies(
    labels: Sequence[int], names: Sequence[str], readers: Sequence[str], values: Array, errors: Array, chance: float
) -> Figure:
    """Accuracy against the number of labels a class, a panel for each reader, with bars of one standard error.

    Args:
        labels: numbers of labelled data of each class.
        names: of the representations.
        readers: of the panels.
        values: accuracies, ``(readers, names, labels)``.
        errors: theirs.
        chance: the accuracy of guessing, a dashed line.
    """
    mean, error = as_array(values), as_array(errors)
    figure = blank(WIDTH * len(readers), 3.2)
    row = figure.subplots(1, len(readers), squeeze=False, sharey=True)[0]
    for panel, (axes, reader) in enumerate(zip(row, readers, strict=True)):
        style(axes, reader, "labelled data of each class", "accuracy" if panel == 0 else "")
        for i, name in enumerate(names):
            last = i == len(names) - 1
            axes.errorbar(
                labels,
                mean[panel, i],
                error[panel, i],
                color=FAINT if last else PALETTE[i % len(PALETTE)],
                linestyle=":" if last else "-",
                marker="o",
                ms=3.5,
                linewidth=2.0 if i == 0 else 1.2,
                elinewidth=1.0,
                label=plain(name),
            )
        axes.axhline(chance, color=MUTED, linewidth=0.8, linestyle="--")
        axes.set_xscale("log")
        axes.set_xticks(list(labels), [str(n) for n in labels])
        axes.minorticks_off()
    legend(row[-1], loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return figure
