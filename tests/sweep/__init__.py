"""The fault sweep: every fault at every write of every workload, and the same end as without."""
