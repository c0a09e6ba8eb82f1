"""A local page on which one walks through the latents of a trained model and sees what they decode to."""
