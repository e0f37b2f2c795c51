"""The process that has imported the operator and forks: `python -m warm FD`."""

from __future__ import annotations

import gc
import importlib
import json
import os
import socket
import sys
import traceback
from typing import Any

from neon_sandbox.child import die_with_parent
from neon_tenants.cli import main
from neon_tenants.handlers import settings
from warm import PROGRAM


def serve(line: socket.socket) -> None:
    """Answers until the other side is gone."""
    with line.makefile("rw") as file:
        for text in file:
            question = json.loads(text)
            if "reap" in question:
                answer = os.waitstatus_to_exitcode(os.waitpid(question["reap"], 0)[1])
            else:
                # Who looks at once finds a log, though an empty one.
                os.close(os.open(question["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666))
                arm = die_with_parent()
                answer = os.fork()
                if answer == 0:
                    if arm is not None:
                        arm()
                    line.close()
                    _become(question)
            file.write(f"{answer}\n")
            file.flush()


def _become(question: dict[str, Any]) -> None:
    """Turns this fork into the operator; does not return."""
    os.setsid()
    os.chdir(question["cwd"])
    os.environ.clear()
    os.environ.update(question["env"])
    log = os.open(question["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    sys.argv = [PROGRAM, *question["fork"]]
    status = 1
    try:
        if question["before"]:
            importlib.import_module(question["before"])
        main(args=question["fork"], prog_name=PROGRAM)
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    except BaseException:  # noqa: BLE001 - this is the process's outermost frame
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    settings("")  # what Kopf imports late
    gc.collect()
    gc.freeze()  # shared with the forks, and no garbage of theirs
    serve(socket.socket(fileno=int(sys.argv[1])))
