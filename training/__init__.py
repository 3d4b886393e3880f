"""The training container: records become a model artifact, in SageMaker's layout."""
