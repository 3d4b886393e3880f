"""Many photos, unattended: from a folder to predictions.csv, by a schedule, with a report."""
