"""Reports on trainings: `report.html` in a run's directory."""

from glowflow.reports.distribution import distribution
from glowflow.reports.report import Report, keep
from glowflow.reports.results import Result, as_of

__all__ = ["Report", "Result", "as_of", "distribution", "keep"]
