"""Distributions that the axes are made of, beside those of Pyro."""
