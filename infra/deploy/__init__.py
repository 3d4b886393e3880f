"""Deployment as a plan that an executor carries out on local, LocalStack or AWS."""
