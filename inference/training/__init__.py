"""The loop that lets players move in turn, and what makes a run unbreakable."""
