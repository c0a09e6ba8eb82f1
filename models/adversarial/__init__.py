"""Generators without a density, and the games that train them."""
