"""How we talk to Kubernetes: compare-and-swap writes, the connection Secret, events.

JSON in, frozen values out; no generated models on the way. Exceptions stop here: a request that does
not succeed becomes a `KubeError`.
"""
