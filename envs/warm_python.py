"""An interpreter that has imported the large libraries already, forked for each `python -m`.

    python envs/warm_python.py -m snakemake --cores 2

Of a job of a small study nine tenths of the time are imports. A forked interpreter is a real one:
its own process, working directory, environment and streams, with nothing of the project loaded.
Where the system is not Linux all start from nothing. So does the study that all tests of tests/e2e
share, and what interrupts processes or looks at them; tests that compare bytes with that study
compare the two.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import gc
import importlib
import json
import os
import runpy
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from pathlib import Path

LIBRARIES = ("snakemake.cli", "open_clip", "matplotlib.pyplot", "pandas", "sklearn.linear_model")
"""The others come with these."""
CLIENT = """\
#!/bin/sh
'''exec' "{python}" -SE "$0" "$@"
' '''  # a path with a blank cannot stand in the first line
# `python -m MODULE …`: asks the warm interpreter for a fork, and stands for it.
import json, os, signal, socket, sys

if sys.argv[1:2] != ["-m"]:
    os.execv("{python}", ["{python}", *sys.argv[1:]])
connection = socket.socket(socket.AF_UNIX)
connection.connect("{socket}")
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, lambda number, frame: connection.send(bytes([number])))
call = json.dumps([sys.argv, os.getcwd(), dict(os.environ)]).encode()
socket.send_fds(connection, [len(call).to_bytes(4, "big")], [0, 1, 2])
connection.sendall(call)
answer = connection.recv(1)
sys.exit(answer[0] if answer else "the warm interpreter has ended")
"""


@functools.cache
def executable() -> Path:
    """A file to be run as `python`; starts the warm interpreter, which ends with this one."""
    if not hasattr(os, "pidfd_open"):
        return Path(sys.executable)
    folder = Path(tempfile.mkdtemp(prefix="warm-python-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    python = folder / "python"
    address = str(folder / "socket")
    python.write_text(CLIENT.format(python=sys.executable, socket=address), encoding="utf-8")
    python.chmod(0o755)
    server = subprocess.Popen(
        [sys.executable, __file__, address],
        stdin=subprocess.PIPE,  # its end is ours
        stdout=subprocess.PIPE,
        cwd=folder,
        start_new_session=True,
    )
    assert server.stdout is not None and server.stdout.readline() == b"ready\n"
    return python


def serve(address: str) -> None:
    """Fork for every call, until standard input ends."""
    for name in LIBRARIES:
        importlib.import_module(name)
    assert threading.active_count() == 1, "a fork has no other threads"
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody asks for the attendants' ends
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen(64)
        os.write(1, b"ready\n")
        while sys.stdin not in select.select([listener, sys.stdin], [], [])[0]:
            connection, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                attend(connection)
            connection.close()


def attend(connection: socket.socket) -> None:
    """Fork once more for the call, pass signals to it and its status to the client."""
    size, streams, _, _ = socket.recv_fds(connection, 4, 3)
    remaining = int.from_bytes(size, "big")
    call = connection.recv(remaining, socket.MSG_WAITALL)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    child = os.fork()
    if child == 0:
        connection.close()
        run(streams, *json.loads(call))
    ended = os.pidfd_open(child)
    while ended not in select.select([ended, connection], [], [])[0]:
        number = connection.recv(1)
        os.kill(child, number[0] if number else signal.SIGKILL)
        if not number:
            break
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    with contextlib.suppress(OSError):
        connection.send(bytes([status if status >= 0 else 128 - status]))
    os._exit(0)


def run(streams: list[int], argv: list[str], folder: str, environment: dict[str, str]) -> None:
    """Be `python -m MODULE …`."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.dont_write_bytecode = "PYTHONDONTWRITEBYTECODE" in environment
    sys.executable, _, module, *flags = argv
    sys.orig_argv, sys.argv = argv, [module, *flags]
    sys.path[0] = folder
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
        status: object = 0
    except SystemExit as end:
        status = end.code
    except BaseException:
        traceback.print_exc()
        status = 1
    threading._shutdown()  # waits for threads
    atexit._run_exitfuncs()
    if not isinstance(status, int | None):
        print(status, file=sys.stderr)
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status or 0)  # an interpreter's own end tears all modules down: a second


if __name__ == "__main__":
    if sys.argv[1] == "-m":
        process = subprocess.Popen([executable(), *sys.argv[1:]])
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the other has it too, and ends first
        sys.exit(process.wait())
    serve(sys.argv[1])
