"""How good a trained model is, as one number: the metrics that claims are made of.

A metric is a function ``(model, data, seed, **settings) -> float`` registered on the axis "metric"; claims name it, and
:func:`pyrogen.inference.prove.prove` calls it. A metric that compares takes a second trained model as ``against``.
"""
