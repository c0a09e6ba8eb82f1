"""What the latents of a trained model say."""
