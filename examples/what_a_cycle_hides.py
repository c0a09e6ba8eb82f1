"""A cycle can cheat: what the second domain cannot show is hidden in it, and read back from there.

White outlines do not tell the colour of the shape that they are drawn of, so that no honest translation of them brings it
back. A low cycle error asks for it nevertheless, and the networks find a way: a pattern too faint to be seen. Noise as faint
destroys it. After Chu et al. 2017, CycleGAN, a master of steganography, arXiv:1712.02950.
"""

import argparse

import pyrogen
from pyrogen.data import load
from pyrogen.inference import fit
from pyrogen.inference.metrics.translation import cycle_error

NOISE = (0.0, 0.01, 0.03, 0.1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--n", type=int, default=4000)
    options = parser.parse_args()
    small = {
        "generator": {"name": "ResidualTranslator", "width": 16, "blocks": 1},
        "critic": {"name": "Convolutional", "width": 16},
    }
    print("cycle error of test data, as a fraction of their distance from one another, with noise on the translations")
    print("y                 " + "".join(f"{noise:10g}" for noise in NOISE))
    for style, words in (("outline", "coloured outlines"), ("chalk", "white outlines")):
        data = load(f"domains(size=16, style={style!r}, n={options.n})", dequantization=False)
        model = pyrogen.create("cyclegan", x_shape=data.x_shape, **small)
        fit(model, data, epochs=options.epochs, batch_size=8, validate=False)
        errors = [cycle_error(model, data, 0, noise=noise) for noise in NOISE]
        print(f"{words:18}" + "".join(f"{error:10.3f}" for error in errors))


if __name__ == "__main__":
    main()
