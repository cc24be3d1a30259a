"""Points with mass, joined by springs that may act as muscles, in two and three dimensions."""
