"""Posterior families q(z|x): each file holds one choice."""

from pyrogen import lazy

__getattr__, __dir__ = lazy.package(__name__)
