"""What codes and hidden units are good for: what probes read there, beside rivals; which factor is where; how sparse."""
