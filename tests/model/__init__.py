"""The protocol, explored: every order of every process's steps, and every fault, within stated bounds.

`baseline` is the create and delete of one resource by two replicas. `state`, `protocol`, `world` and
`properties` are the protocol as it is built: nonces, refusals, resolved intents, re-creation, release and
rebind. `variants` names each configuration and what it must show; `make model` prints them.
"""
