"""Benchmarks of the operator on a real control plane and the emulator: `make bench`."""
