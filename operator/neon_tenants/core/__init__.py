"""What we decide: pure functions of what was read. No clock, no I/O, no logging.

`plan.next_step(observed)` is the heart; `upkeep` is its part for tenants whose project stands, `removal`
that for deleted ones. The other modules hold one noun each: `marker` (the project's name is its owner),
`intent` (who may create), `identity` (which project is ours), `entitlement` (what the tier grants),
`secret`, `status`.
"""
