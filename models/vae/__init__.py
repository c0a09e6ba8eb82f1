"""Variational autoencoders, and their variants by prior, posterior, condition and objective."""
