"""Data sets as published: read from their files once, and from the cache ever after."""

from glowflow.data.published.source import fetch, prepared_shapes, source
from glowflow.data.published.table import PUBLISHED, Published

__all__ = ["PUBLISHED", "Published", "fetch", "prepared_shapes", "source"]
