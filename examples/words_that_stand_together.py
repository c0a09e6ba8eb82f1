"""What do words know that nobody told them? Vectors from counts of neighbours, asked for analogies: dog : dogs = cat : ?

Of every two pairs of a list one asks for the other, and is right if its second word is among the five nearest to the sum.
Beside the texts as they are stand the same words dealt out over all their places, as frequent and without company, and what
five guesses would hit. Errors are over pairs.

python examples/words_that_stand_together.py [--data coco-captions] [--size 25] [--window 2]

The captions lie in the folder that PYROGEN_DATA names; `--data grammar` needs none, and a `--size` of 12.
"""

import argparse

import pyrogen
from pyrogen.inference import word_vectors

NOUNS = (
    "dog cat horse boy girl plate car train elephant giraffe zebra bird cow tree table chair bear kite boat truck motorcycle "
    "bicycle banana apple umbrella sign vase laptop computer pizza sandwich skateboard skier surfer airplane clock toilet "
    "sink hat flower window building cook cake drum song wave book lesson rose"
)
PAIRS = {
    "one and many": [*((noun, f"{noun}s") for noun in NOUNS.split()), ("man", "men"), ("woman", "women")],
    "he and she": [
        ("man", "woman"), ("boy", "girl"), ("men", "women"), ("he", "she"), ("his", "her"), ("boys", "girls"),
    ],
}  # fmt: skip

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--data", default="coco-captions")
parser.add_argument("--size", type=int, default=25)
parser.add_argument("--window", type=int, default=2)
parser.add_argument("--least", type=int, default=5)
parser.add_argument("--top", type=int, default=5)
options = parser.parse_args()

try:
    data = pyrogen.data.load(options.data)
except ValueError as absent:
    raise SystemExit(str(absent)) from None

found, dealt = (
    word_vectors(data, options.size, options.window, options.least, shuffled=shuffled) for shuffled in (False, True)
)
print(f"{found} of {data.name}; five guesses hit {options.top / len(found.words):.4f}")
for name, pairs in PAIRS.items():
    known = [pair for pair in pairs if {*pair} <= {*found.words}]
    if len(known) < 3:
        continue
    right, control = found.hits(known, options.top), dealt.hits(known, options.top)
    print(f"{name}, {len(known)} pairs: {right}; of words dealt out at random {control}")
    a, b = known[0]
    for c, d in known[1:4]:
        print(f"  {a} : {b} = {c} : {', '.join(found.analogy(a, b, c, options.top))}   ({d} was asked for)")
