"""A SageMaker Processing job whose hosts each pack the photos that ShardedByS3Key gives them."""
