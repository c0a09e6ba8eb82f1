"""Autoencoders: the same pair with a point mass for its posterior."""
