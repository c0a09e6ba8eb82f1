"""Claims, their measurement, and what is written down of it."""
