"""What the process remembers between passes, and what the fleet leaves for them."""

from __future__ import annotations

import builders as a
from neon_tenants.core.key import Key
from neon_tenants.core.knowledge import Knowledge
from neon_tenants.core.note import Note
from neon_tenants.core.project import Consumption
from neon_tenants.memory import Memory

KEY = Key("t", "acme")
USED = Consumption(compute_time_seconds=7)


def test_what_is_left_lies_beside_what_lies_there() -> None:
    memory = Memory()
    assert memory.note("uid") == Note()
    memory.leave("uid", check_endpoints=True)
    memory.leave("uid", consumption=USED)
    assert memory.note("uid") == Note(USED, check_endpoints=True)


def test_a_pass_takes_what_it_saw_and_no_more() -> None:
    memory = Memory()
    memory.leave("uid", check_endpoints=True)
    seen = memory.note("uid")
    memory.leave("uid", consumption=USED)
    memory.take("uid", seen)
    assert memory.note("uid").consumption == USED
    memory.take("uid", memory.note("uid"))
    assert memory.note("uid") == Note()


def test_a_place_in_a_tier_is_kept_until_it_is_given_up_or_the_tenant_is_gone() -> None:
    memory = Memory()
    memory.let_in("uid", "free")
    memory.keep("uid", Knowledge())
    assert memory.is_let_in("uid", "free")
    assert not memory.is_let_in("uid", "pro")
    assert not memory.is_let_in("other", "free")
    memory.let_in("uid", None)
    assert not memory.is_let_in("uid", "free")
    memory.let_in("uid", "free")
    memory.forget(KEY, "uid")
    assert not memory.is_let_in("uid", "free")


def test_what_a_pass_remembers_does_not_touch_what_was_left() -> None:
    memory = Memory()
    memory.leave("uid", check_endpoints=True)
    memory.keep("uid", Knowledge(polls=1))
    memory.keep("uid", Knowledge())
    assert len(memory) == 0
    assert memory.note("uid").check_endpoints
    memory.forget(KEY, "uid")
    assert memory.note("uid") == Note()


def test_whose_post_left_is_remembered_until_its_project_is_recorded_or_it_is_forgotten() -> None:
    memory, tenant = Memory(), a.tenant()
    assert memory.unrecorded(tenant.key) is None
    memory.sends(tenant)
    assert memory.unrecorded(tenant.key) == tenant
    assert memory.unrecorded(Key(tenant.namespace, "other")) is None
    memory.keep(tenant.uid, Knowledge(polls=1))
    memory.recorded(tenant.key, tenant.uid)
    memory.recorded(tenant.key, tenant.uid)
    assert memory.unrecorded(tenant.key) is None
    assert memory.of(tenant.uid) == Knowledge(polls=1)
    memory.sends(tenant)
    memory.recorded(tenant.key, "of the next one in its place")
    assert memory.unrecorded(tenant.key) is None
    assert memory.of(tenant.uid) == Knowledge()
    memory.sends(tenant)
    memory.forget(tenant.key, "of the one before it")
    assert memory.unrecorded(tenant.key) == tenant
    memory.forget(tenant.key, tenant.uid)
    assert memory.unrecorded(tenant.key) is None
