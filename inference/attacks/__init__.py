"""Attacks on classifiers: small changes of data that change their class, and training that withstands them."""
