"""Adversarial objectives: losses of critic outputs, and the game."""
