"""Convolutional GANs of images."""

from __future__ import annotations

from pyrogen.registry import variant

dcgan = variant(
    "dcgan",
    of="gan-nonsaturating",
    says="The GAN of images by strided convolutions and batch norm; ``generator.growth='resize'`` leaves no checkerboard.",
    defaults={
        "x_shape": (1, 28, 28),
        "latent_size": 64,
        "generator": "Convolutional",
        "critic": "Convolutional",
        "kind": "unit",
    },
    reference="Radford et al. 2016, Unsupervised representation learning with deep convolutional GANs, arXiv:1511.06434",
    data="mnist",
    recipe={"epochs": 20, "lr": 2e-4, "batch_size": 128},
)

sngan = variant(
    "sngan",
    of="gan-nonsaturating",
    says="The GAN of images whose critic's weights are divided by their largest singular values, with the hinge loss.",
    defaults={
        "x_shape": (1, 28, 28),
        "latent_size": 64,
        "generator": "Convolutional",
        "critic": {"name": "Convolutional", "normalization": "spectral"},
        "objective": {"name": "Adversarial", "loss": "Hinge"},
        "kind": "unit",
    },
    reference="Miyato et al. 2018, Spectral normalization for generative adversarial networks, arXiv:1802.05957",
    data="mnist",
    recipe={"epochs": 20, "lr": 2e-4, "batch_size": 128},
)
