"""Between two tunes: a VAE of music with a conductor, what is played half-way between two codes, and with more notes.

    python examples/between_two_tunes.py --music my.mid

After Roberts et al. 2018, arXiv:1803.05428. A folder of MIDI files will do, too.
"""

import argparse
from pathlib import Path

import torch

import pyrogen
from pyrogen import midi
from pyrogen.figures.music_plots import rolls
from pyrogen.figures.report import save_figures
from pyrogen.inference import fit
from pyrogen.inference.latents.music import density_vector
from pyrogen.pitches import density

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--music", default="tunes", help="registered music, a .mid file, or a folder of them")
parser.add_argument("--epochs", type=int, default=20)
parser.add_argument("--folder", type=Path, default=Path("runs/between-two-tunes"))
options = parser.parse_args()

torch.manual_seed(0)
data = pyrogen.data.load(options.music)
model = pyrogen.create("vae-music", x_shape=data.x_shape, vocabulary=data.vocabulary, latent_size=16, free_bits=14)
fit(model, data, epochs=options.epochs, lr=8e-3, batch_size=64, validate=False)

ends = data.test.x[:2]
first, last = model.code(ends)
denser = density_vector(model, data.train.take(1000), data.vocabulary).mean
half = (first + last) / 2
codes = torch.stack([first, half, half + 0.1 * denser.to(half), last])
played = data.vocabulary.sound(model.generate(codes))
titles = ("one tune", "half-way", "the same with more notes", "another tune")
for title, piece, count in zip(titles, played, density(played).tolist(), strict=True):
    path = options.folder / f"{title.replace(' ', '-')}.mid"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(midi.written(piece))
    print(f"{title}: {count * 16:.1f} notes a bar, {path}")
(picture,) = save_figures(options.folder, {"tunes": rolls([*zip(titles, played, strict=True)])})
print(f"all four: {picture}")
