"""The registry of trained models: their versions, who is live, and how the traffic is shared."""
