"""The quickstart and the data it scans: synthetic, made for this package (CC0)."""
