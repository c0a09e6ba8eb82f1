"""Likelihoods p(x|·): each file holds one choice or a close family."""

from pyrogen import lazy

__getattr__, __dir__ = lazy.package(__name__)
