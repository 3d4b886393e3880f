"""AWS on the desk: the local cloud, the SageMaker plane, and deployment to any target."""
