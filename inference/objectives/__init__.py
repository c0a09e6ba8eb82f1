"""What is optimized: each objective is an object applied to a model."""
