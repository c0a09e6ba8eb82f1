"""What a report shows, by the capabilities of the model."""
