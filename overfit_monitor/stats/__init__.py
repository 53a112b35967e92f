"""Statistics of one stream: no thresholds and no findings."""
