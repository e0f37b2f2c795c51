"""Every fault at every write, on real servers, with the operator that ships.

`make chaos` plays all pairs; `make test` a sample. A failure names its case: replay it with
`pytest tests/faults/test_sweep.py -k replay --replay "create | POST projects | 1 | answer lost"`.
"""

from __future__ import annotations

import pytest

from fault import Mode, occurrences
from sweep.plan import Case, every, sampled
from sweep.side import Sweep
from sweep.workloads import WORKLOADS


@pytest.mark.proves("F01", "F03", "F04", "F10", "F11", "F12", "F30", "F31")
@pytest.mark.timeout(400)
async def test_a_fault_at_a_write_changes_nothing_but_time(sweep: Sweep) -> None:
    references = await sweep.references(WORKLOADS)
    cases = sampled({name: occurrences(reference.requests) for name, reference in references.items()})
    assert all(cases.values())
    assert {case.mode for several in cases.values() for case in several} == set(Mode)
    await sweep.all([case for several in cases.values() for case in several], references)


@pytest.mark.long
@pytest.mark.proves("F01", "F03", "F04", "F10", "F11", "F12", "F30", "F31")
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", WORKLOADS)
async def test_every_fault_at_every_write_changes_nothing_but_time(sweep: Sweep, name: str) -> None:
    reference = await sweep.reference(name)
    cases = every(name, occurrences(reference.requests))
    assert cases
    await sweep.all(cases, {name: reference})


async def test_replay(sweep: Sweep, request: pytest.FixtureRequest) -> None:
    text = request.config.getoption("--replay")
    if not text:
        pytest.skip("Name a case with --replay.")
    case = Case.parse(text)
    await sweep.all([case], {case.workload: await sweep.reference(case.workload)})
