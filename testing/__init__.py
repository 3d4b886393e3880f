"""For anyone's tests: a mocked AWS account with the buckets, the model and the endpoint in it."""
