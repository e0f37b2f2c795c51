"""The verdict on a run, counted from what others wrote down: `python -m verdict FOLDER...`.

It believes neither the operator nor the tests. It imports nothing of either: only the standard library
and itself (tests/unit/test_verdict.py). What it knows of names, markers and conditions it takes from
docs/protocol.md and docs/troubleshooting.md.

## Evidence: the files of a folder

- `about.json`, by the harness: the cluster id, the namespace, the operator's Kubernetes user, and at which
  byte of audit.log the run begins.
- `audit.log`, by the API server: every write; with bodies for our own resources, so that their lives can be
  replayed.
- `neon.jsonl`, by the emulator: what took effect at Neon, and how logins ended
  (neon_sandbox/emulator/effects.py).
- `canaries`, by the harness: every key and password that the emulator gave out, one a line.
- `*.log`, by the operators: what they logged.
- `faults.jsonl`, by the wires, may be missing: each injected fault, with at, wire, number, request, mode.
- `probes.jsonl`, by the prober, may be missing: each login that it tried with the Secret of a tenant that
  says Available (tests/prober.py).

A missing file that must be there is an error, and never a zero.

## What is counted, and must be zero

"The operator did" means: the request at Neon bore its User-Agent, at the API server its user. What people
(and tests in their place) do is never counted. "At rest" is the end of the evidence. A resource is known by
its uid. Two logs of two servers are compared by the clock of one machine: a write at the API server is in
effect from some moment between its receipt and its answer, and whatever stood within `RACE` seconds before
an act of the operator excuses it, since it can only act on what it has read.

- **leaked**: at rest, a living project whose name has our cluster id and an owner (a uid) that no living
  resource has, although that resource's policy at its end was Delete. Not counted where somebody else took
  our finalizer away.
- **doubled**: resources that had two living projects of their name at any moment, or for which the
  operator's create took effect more than once.
- **doubled_at_rest**: those of them that still have two.
- **deleted_against_spec**: projects that the operator deleted while a resource that records them, or else
  the one in their name, was not marked for deletion, or was protected, or its policy was Retain. Not
  counted: a project that no status ever recorded, while another one of the same name lives (a duplicate,
  protocol rule 9); one that a FleetOperation DeleteOrphans names.
- **touched_not_ours**: projects that the operator renamed or deleted although neither their name was
  exactly a resource's nor a status recorded them that their birth certificate names (rule 2).
- **replaced**: projects that the operator made while an earlier project of the same place lived whose
  resource was gone, without `start-empty` (rule 13).
- **available_untrue**: probes with the Secret's login that were refused, or led to another project, while
  every status in effect from their beginning to their end said Available=True for the current generation of
  a resource that is not being deleted. Not counted where somebody else wrote the Secret last, or deleted
  the project or reset the password.
- **passwords_reset**: resets by the operator: there is no order for one yet.
- **secrets_overwritten**: writes of the operator to a Secret that somebody else created.
- **secrets_seen**: places (file and secret) where a canary stands, in clear or in base64: audit log,
  journal, operators' logs, faults, probes.
- **unsettled**: living resources that at rest have not observed their generation, or where not exactly one
  of Ready, Reconciling and Stalled tells the story (Paused tells itself), or that are being deleted and do
  not say what a person must do (I6, I7).
- **undocumented_reasons**: reasons in a status that docs/troubleshooting.md does not list (I14).
"""

from __future__ import annotations

from verdict.evidence import NoEvidenceError
from verdict.judgement import Verdict, judge

__all__ = ["NoEvidenceError", "Verdict", "judge"]
