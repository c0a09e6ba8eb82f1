"""Normal noise in d dimensions lies on a soap bubble of radius √d, and a straight line between two points cuts through it.

The norm has mean √2 Γ((d + 1)/2) / Γ(d/2), which is √d less about 1/(4√d), and a spread of 1/√2 whatever d is: the
shell is thin beside its radius. A lecture says the radius is 1; it is √d. Half-way on a line between two draws the norm
is √(d/2), where no draw ever is; half-way on an arc it is that of the ends.
"""

import argparse

import torch

from pyrogen.figures.figure_style import PALETTE, legend, single
from pyrogen.figures.report import save_figures
from pyrogen.inference.latents.paths import lerp, slerp

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--folder", default="runs/course", help="where the picture goes")
folder = parser.parse_args().folder

torch.manual_seed(0)
N, HALF = 4000, torch.tensor(0.5)
print("     d   exact E|z|   drawn      spread   on the line   on the arc")
figure, axes = single(2.8, "norms in 100 dimensions", "‖z‖ / √d", "of 4,000")
for d in (2, 10, 100, 784):
    a, b = torch.randn(2, N, d)
    norms = a.norm(dim=1)
    exact = 2**0.5 * float(torch.exp(torch.lgamma(torch.tensor((d + 1) / 2)) - torch.lgamma(torch.tensor(d / 2))))
    line, arc = (path(a, b, HALF).norm(dim=1) for path in (lerp, slerp))
    print(f"{d:6} {exact:12.3f} {norms.mean():7.3f} {norms.std():11.3f} {line.mean():13.3f} {arc.mean():12.3f}")
    error = norms.std() / N**0.5
    assert abs(norms.mean() - exact) < 4 * error, "ml-soap-bubble"
    assert d**0.5 - 0.4 < exact < d**0.5, "ml-soap-bubble"
    if d >= 100:
        assert abs(norms.std() - 0.5**0.5) < 0.03, "ml-soap-bubble"
        assert abs(line.mean() - (d / 2) ** 0.5) < 0.1, "ml-soap-bubble"
        # what is typical is what draws have: the middles of lines lie inside the bubble, further than its thickness
        assert (line.mean() - norms.mean()) / norms.std() < -4, "ml-soap-bubble"
        assert abs(arc.mean() - norms.mean()) < 0.05, "ml-soap-bubble"
    if d == 784:
        assert (line < norms.min()).all(), "ml-soap-bubble"
    if d == 100:
        for color, (name, values) in zip(
            PALETTE, {"draws": norms, "on lines": line, "on arcs": arc}.items(), strict=False
        ):
            axes.hist(values / d**0.5, 60, color=color, alpha=0.6, label=name)
legend(axes, loc="upper left", bbox_to_anchor=(1.0, 1.0))
print("the picture:", *save_figures(folder, {"soap_bubble": figure}))
