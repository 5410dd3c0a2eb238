"""The other end of `warm.py`: hands a command and its streams over, and ends as it ended.

Run with `-I -S`, and it imports nothing that takes time.
"""

import _signal  # type: ignore[import-not-found]  # `signal` would import enum, for 5 ms
import _socket
import os
import sys

asked = _socket.socket(_socket.AF_UNIX)
asked.connect(sys.argv[1])
words = [os.fsencode(word) for word in sys.argv[2:]]
fields = [os.getcwdb(), b"%d" % len(words), *words, *(b"%s=%s" % pair for pair in os.environb.items())]
payload = b"\0".join(fields)
streams = b"".join(number.to_bytes(4, sys.byteorder) for number in (0, 1, 2))
asked.sendmsg([len(payload).to_bytes(8, "little")], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, streams)])
while payload:
    payload = payload[asked.send(payload) :]


def line() -> int:
    """The next number that comes."""
    found = b""
    while not found.endswith(b"\n"):
        if not (piece := asked.recv(1)):
            os._exit(1)
        found += piece
    return int(found)


running = line()
for number in (_signal.SIGTERM, _signal.SIGINT, _signal.SIGHUP):
    _signal.signal(number, lambda number, _: os.kill(running, number))
code = line()
if code < 0:
    _signal.signal(-code, _signal.SIG_DFL) if -code not in (_signal.SIGKILL, _signal.SIGSTOP) else None
    os.kill(os.getpid(), -code)
os._exit(code)
