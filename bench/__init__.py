"""Speed as ratios measured in one run, lower is better: `make bench`, or `make bench ROWS=settlement,queue`."""
