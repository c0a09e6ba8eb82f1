"""The zoo: one file for each model or close family; entries are registered functions of a few lines."""
