"""An inverse problem with two answers: a single normal lies between them, a mixture density network gives both.

python examples/find_both_elbows.py [--epochs 100]
"""

import argparse

import torch

import pyrogen
from pyrogen.data.regression import Arm
from pyrogen.inference import fit, log_evidence

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--epochs", type=int, default=100)
options = parser.parse_args()

data, arm = pyrogen.data.load("arm"), Arm()
print(f"{data}\nexact p(x|y): {arm.log_prob(data.test.x, data.test.y).mean():.3f} nats per datum")
hand = torch.tensor([[0.8, 0.3]])
for components in (1, 2):
    torch.manual_seed(0)
    model = pyrogen.create("mdn", x_shape=(2,), y_shape=(2,), components=components, component="MultivariateNormal")
    fit(model, data, epochs=options.epochs)
    nats = float(log_evidence(model, data.test)["log_evidence"].mean())
    drawn = model.sample(len(data.test), data.test.y)
    miss = float((arm.forward(drawn) - data.test.y).norm(dim=-1).mean())
    print(f"\n{components} component{'s' * (components > 1)}: {nats:.3f} nats; the hand misses by {miss:.3f}")
    for shoulder, elbow in model.sample(4, hand.repeat(4, 1)).tolist():
        print(f"  hand to (0.8, 0.3): shoulder {shoulder:+.2f}, elbow {elbow:+.2f} rad")
print("\nits two exact answers:", *(f"({a:+.2f}, {b:+.2f})" for a, b in arm.inverse(hand)[0].tolist()))
