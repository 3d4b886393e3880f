"""What is to be known of photos before training: counts, duplicates, odd ones, and problems."""

from recordio_prep.check.checking import check
from recordio_prep.check.findings import Check, Problem
from recordio_prep.check.report import write_report

__all__ = ["Check", "Problem", "check", "write_report"]
