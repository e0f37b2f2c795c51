"""How we talk to Neon: client, wire models, error classes, request budget, shared look-ups.

Exceptions stop here: a request that does not succeed becomes a `NeonError` with one classified
`Failure`. The rest of the operator never sees httpx.
"""
