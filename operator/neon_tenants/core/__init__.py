"""What we decide: pure functions of what was read. No clock, no I/O, no logging.

`plan.next_step(observed)` is the heart; `removal` is its half for deleted resources. The other
modules hold one noun each: `marker` (the project's name is its owner), `intent` (who may create),
`identity` (which project is ours), `entitlement` (what the tier grants), `secret`, `status`.
"""
