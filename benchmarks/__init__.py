"""Measurements of glowflow that the documentation cites: `python -m benchmarks.NAME --help`; see results/README.md."""
