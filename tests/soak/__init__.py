"""Soak: a long life of many tenants, after which the operator's process holds no more than before."""
