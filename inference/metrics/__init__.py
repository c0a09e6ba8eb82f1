"""What judges samples, codes and representations: the numbers, by name, that claims are made of.

A metric is a function ``(model, data, seed, **settings) -> float`` registered on the axis "metric"; claims name it, and
:func:`pyrogen.inference.proofs.prove.prove` calls it. A metric that compares takes a second trained model as ``against``.
A float that carries its own standard error as ``.error`` is shown with it.
"""
