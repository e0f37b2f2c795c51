"""A laptop-sized Neon and Kubernetes: the demo, the tests and the benchmarks run on it."""
