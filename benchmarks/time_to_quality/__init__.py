"""Glowflow and other code bases, trained for equal time and judged by one evaluator."""
