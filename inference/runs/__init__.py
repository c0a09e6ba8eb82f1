"""Runs in folders: how one is made, judged, compared, and a grid of them."""
