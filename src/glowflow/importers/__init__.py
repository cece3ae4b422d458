"""Conversion between weights of other code bases and of glowflow."""
