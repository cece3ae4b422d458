"""Published data sets, which are read from their files once, and then from the cache."""

from glowflow.data.published.source import fetch, prepared_shapes, source
from glowflow.data.published.table import PUBLISHED, Published

__all__ = ["PUBLISHED", "Published", "fetch", "prepared_shapes", "source"]
