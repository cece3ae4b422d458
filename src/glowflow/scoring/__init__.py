"""Scores of images: how unusual an image is for a model, and where."""
