"""Densities of x given y by a network's head."""
