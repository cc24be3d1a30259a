"""Matter that flows and deforms, as particles that meet on a grid: elastic solids, muscles, liquids."""
