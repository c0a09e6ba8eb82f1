"""Arithmetic of word vectors: cats − cat + drum is drums, of vectors that know nothing but which words stand together.

The sentences are of a grammar of six topics in which verbs and determiners agree with their nouns in number. A word's
vector is its row of the positive mutual information with the words beside it, cut to its leading components (Levy &
Goldberg 2014). Nouns of one topic and number stand in the same places, so that no such vector can tell them apart:
right is any plural of the topic of the noun that was added. As usual, the words of the question are no answers.
Components beyond the structure of the language drown it.
"""

import argparse

import torch

import pyrogen
from pyrogen.data.grammar import TOPICS
from pyrogen.figures.figure_style import BLUE, FAINT, MUTED, single
from pyrogen.figures.report import save_figures
from pyrogen.inference import word_vectors

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--folder", default="runs/course", help="where the picture goes")
folder = parser.parse_args().folder
WINDOW, COMPONENTS = 2, 12

data = pyrogen.data.load("grammar")
found = word_vectors(data, COMPONENTS, WINDOW, least=1)
pairs = [(topic, w, f"{w}s") for topic, (nouns, _) in TOPICS.items() for w in nouns.split() if f"{w}s" in found.words]
plurals = {topic: {many for t, _, many in pairs if t == topic} for topic in TOPICS}
right = asked = 0
for topic, one, many in pairs:
    for other_topic, other, _ in pairs:
        if other_topic != topic:
            (answer,) = found.analogy(one, many, other, top=1)
            right, asked = right + (answer in plurals[other_topic]), asked + 1
chance = len(plurals["music"]) / len(found.words)
print(
    f"of {asked} questions like cats − cat + drum, {right / asked:.2f} are answered by a plural of the topic "
    f"(chance {chance:.2f})"
)
assert right / asked > 0.9, "rl-word-arithmetic"
assert chance < 0.05, "rl-word-arithmetic"

shift = torch.stack([found[many] - found[one] for _, one, many in pairs])
axis = torch.nn.functional.normalize(shift.mean(0), dim=0)
agree = float((torch.nn.functional.normalize(shift, dim=1) @ axis).mean())
print(f"the steps from one to many point one way: mean cosine {agree:.2f} with their mean")
assert agree > 0.5, "rl-word-arithmetic"

ends = torch.stack([torch.stack([found[one], found[many]]) for _, one, many in pairs])
rest = ends - (ends @ axis).unsqueeze(-1) * axis
across = torch.linalg.svd((rest - rest.mean((0, 1))).flatten(0, 1), full_matrices=False)[2][0]
firsts = {min(of_topic) for of_topic in plurals.values()}
figure, axes = single(3.6, "from one to many", "along the mean step", "across")
for (_, _, many), line in zip(pairs, ends, strict=True):
    x, y = line @ axis, line @ across
    axes.plot(x, y, color=FAINT)
    axes.plot(x, y, "o", color=BLUE, markersize=3)
    if many in firsts:
        axes.annotate(many, (x[1], y[1]), fontsize=6, color=MUTED, xytext=(3, 0), textcoords="offset points")
print("the picture:", *save_figures(folder, {"word_arithmetic": figure}))
