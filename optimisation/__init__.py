"""A trained artifact made better: calibrated, quantised, measured on every runtime."""
