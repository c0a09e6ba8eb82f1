"""Figures, and the page that shows them: from data alone, never from models."""
