"""The local cloud: MiniStack and the SageMaker plane in one process on one port."""
