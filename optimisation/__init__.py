"""An artifact's network on this machine: quantised, measured on every runtime, the best noted."""
