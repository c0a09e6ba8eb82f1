"""Estimates of log p(x), per datum, with their errors."""
