"""The inference container: a model artifact answers /ping and /invocations, without MXNet."""
