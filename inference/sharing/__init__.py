"""Models given away: their cards, the small ones that come with the package, and hubs."""
