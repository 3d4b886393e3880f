"""SageMaker's control plane and runtime, whose jobs and endpoints are processes."""
