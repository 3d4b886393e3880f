"""How a photo's bytes become the network's input: one truth for preparation, hosting and tests."""
