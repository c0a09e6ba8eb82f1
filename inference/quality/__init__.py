"""How good samples are: measures against data, each beside what it gives of data against other data."""
