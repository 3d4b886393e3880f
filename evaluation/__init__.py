"""What a model's answers are worth: metrics, calibration, thresholds, the report."""
