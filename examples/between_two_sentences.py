"""Between two sentences: a VAE of texts, the evidence of a sentence and of a word, and what is written along a line of codes.

    python examples/between_two_sentences.py --text my.txt

After Bowman et al. 2016, arXiv:1511.06349. A text of your own has one sentence a line.
"""

import argparse
import math

import torch

import pyrogen
from pyrogen.inference import IWAE, fit, log_evidence
from pyrogen.vocabulary import scored

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--text", default="grammar", help="a registered text, or the path of one")
parser.add_argument("--epochs", type=int, default=40)
options = parser.parse_args()

torch.manual_seed(0)
data = pyrogen.data.load(options.text)
model = pyrogen.create("vae-text", x_shape=data.x_shape, vocabulary=data.vocabulary, latent_size=8)
fit(model, data, epochs=options.epochs, lr=3e-3, batch_size=64)

# the end of a sentence is a word like any other, so that sentences of all lengths compete
held = data.test.take(200)
nats = float(log_evidence(model, held, IWAE(100), seed=0)["log_evidence"].mean())
words = float(scored(held.x).float().mean())
print(f"{-nats:.2f} nats a sentence, {words:.1f} words and ends in each: perplexity {math.exp(-nats / words):.1f}")

ends = held.x[:2]
first, last = model.code(ends)
line = torch.stack([first + step * (last - first) for step in torch.linspace(0, 1, 6)])
written = data.vocabulary.write(model.generate(line))
first_said, last_said = data.vocabulary.write(ends)
print(f"from  {first_said}")
for sentence in written:
    print(f"      {sentence}")
print(f"to    {last_said}")
if data.law is not None:
    possible = data.law.log_prob(model.generate(line)).isfinite()
    print(f"{int(possible.sum())} of {len(line)} are sentences of the grammar")
