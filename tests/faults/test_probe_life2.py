import asyncio, os, time
import pytest
from test_any_life import *
from test_any_life import drawn, Stage, stage
from life.story import Story


@pytest.mark.timeout(900)
async def test_probe(stage):
    import life.play as lp

    real = lp._data

    async def data(scene, ledger):
        r = await real(scene, ledger)
        print(
            "ROWS",
            len(ledger.rows),
            "projects",
            len(scene.neon.projects()) - 2,
            "deleted",
            len(scene.projects(deleted=True)),
            "lives",
            len(ledger.names),
            [
                (t["metadata"]["name"], [c["reason"] for c in t["status"]["conditions"]])
                for t in await scene.cluster.list("TenantDatabase")
            ],
            flush=True,
        )
        return r

    lp._data = data
    seed, count, longest = map(int, os.environ["PROBE"].split(","))

    async def one(s):
        t = time.time()
        v = await stage.verdicts([s])
        print(
            "====",
            round(time.time() - t, 1),
            stage._played,
            s,
            "\n   ",
            "\n    ".join(v[0]) if v[0] else "ok",
            flush=True,
        )

    t = time.time()
    ss = drawn(range(seed, seed + count), longest)
    if os.environ.get("ONLY"):
        ss = [Story.parse(x) for x in os.environ["ONLY"].split("\n")]
    await asyncio.gather(*map(one, ss))
    print("total", time.time() - t, flush=True)
