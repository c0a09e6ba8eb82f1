"""Bits a dimension of MNIST, of a diffusion beside a flow, a VAE and a PixelCNN of equal size."""

from __future__ import annotations

from bits import Table, Work, compared
from measure import Section

from pyrogen.inference import IWAE, DiffusionELBO

MIXTURE = {"name": "DiscretizedLogisticMixture", "components": 5}
# left out: flow-maf, whose networks are at least as wide as x, for some four million parameters
MNIST = Table(
    "bits-mnist",
    "mnist",
    "MNIST, 28 × 28 pixels with 256 levels",
    (
        Work(
            "vdm",
            {
                "kind": "unit",
                "steps": 500,
                "denoiser": {"name": "UNet", "width": 11},
                # the noise around z₀ is a sixth of a level wide; at the usual −8 it would be more than two
                "noise": {"name": "Linear", "low": -13.3},
            },
            "bound of 500 steps",
            DiffusionELBO(2),
        ),
        Work("flow-glow", {"depth": 8, "width": 24}, "IWAE(50) of the noise", IWAE(50), "levels"),
        Work("vae-conv", {"likelihood": MIXTURE, "latent_size": 16, "width": 8}, "IWAE(500)", IWAE(500), "levels"),
        Work("pixelcnn", {"likelihood": MIXTURE, "width": 27}, "exact", None, "levels"),
    ),
    (0,),
    8,
    (2e-3,),
    200,
    trained=8000,
)


def measure(threads: list[int], quick: bool) -> Section:
    """MNIST, from where PYROGEN_DATA says."""
    return compared(MNIST, quick)
