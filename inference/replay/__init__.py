"""The recorded step: a loss and its gradients replayed below Pyro, checked against the eager ones, compiled."""
