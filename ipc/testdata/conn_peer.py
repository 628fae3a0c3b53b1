"""The Python end of the interoperability tests.

    conn_peer.py client NETWORK ADDRESS KEY WHAT
    conn_peer.py listener NETWORK ADDRESS KEY WHAT

A KEY of - is none. ADDRESS is a path or host:port. A listener prints its
address. WHAT is done with the connection:

    echo      sends every message back until the connection ends
    msgpack   receives a message in msgpack, checks it, and sends it back changed
    handle    receives a descriptor and writes to it; sends one to be written to

Prints how it ended: ok, auth for AuthenticationError, else the exception.
With YUNTA_MODERN set, the handshake is that of Python 3.12 and later, written
anew from its description, for a Python that has an older one.
"""

import hashlib
import hmac
import os
import sys
from multiprocessing import AuthenticationError, connection, reduction

if os.environ.get("YUNTA_MODERN"):
    DIGESTS = ("md5", "sha256", "sha384", "sha3_256", "sha3_384")

    def split(message):
        if len(message) in (16, 20):
            return None, message
        if message[:1] == b"{" and b"}" in message:
            name, rest = message[1:].split(b"}", 1)
            if name.decode() in DIGESTS:
                return name.decode(), rest
        raise AuthenticationError("no digest")

    def mac(name, key, message):
        return hmac.new(key, message, getattr(hashlib, name or "md5")).digest()

    def deliver_challenge(conn, key):
        digest = os.environ["YUNTA_MODERN"]
        message = b"{%s}" % digest.encode() + os.urandom(40)
        conn.send_bytes(b"#CHALLENGE#" + message)
        name, got = split(conn.recv_bytes(256))
        if not hmac.compare_digest(got, mac(name, key, message)):
            conn.send_bytes(b"#FAILURE#")
            raise AuthenticationError("wrong")
        conn.send_bytes(b"#WELCOME#")

    def answer_challenge(conn, key):
        message = conn.recv_bytes(256)
        if not message.startswith(b"#CHALLENGE#"):
            raise AuthenticationError("no challenge")
        message = message[11:]
        name, _ = split(message)
        answer = mac(name, key, message)
        conn.send_bytes(answer if name is None else b"{%s}" % name.encode() + answer)
        if conn.recv_bytes(256) != b"#WELCOME#":
            raise AuthenticationError("rejected")

    connection.deliver_challenge = deliver_challenge
    connection.answer_challenge = answer_challenge


def echo(conn):
    while True:
        try:
            message = conn.recv_bytes()
        except EOFError:
            return
        conn.send_bytes(message)


def pack(conn):
    import msgpack

    got = msgpack.unpackb(conn.recv_bytes())
    want = {"name": "yunta", "numbers": [1, -2, 2**40], "half": 0.5, "raw": b"\x00\xff", "none": None}
    if got != want:
        raise ValueError("%r is not %r" % (got, want))
    got["numbers"].append(2**63)
    got["more"] = {"yes": True}
    conn.send_bytes(msgpack.packb(got))


def handle(conn):
    fd = reduction.recv_handle(conn)
    os.write(fd, b"from python")
    os.close(fd)
    r, w = os.pipe()
    reduction.send_handle(conn, w, None)
    os.close(w)
    with os.fdopen(r, "rb") as f:
        conn.send_bytes(f.read())


def main():
    role, network, address, key, what = sys.argv[1:]
    if network == "tcp":
        host, port = address.rsplit(":", 1)
        address = (host, int(port))
    key = None if key == "-" else key.encode()
    if role == "client":
        conn = connection.Client(address, authkey=key)
    else:
        listener = connection.Listener(address, backlog=1, authkey=key)
        at = listener.address
        print("%s:%d" % at if network == "tcp" else at, flush=True)
        conn = listener.accept()
    {"echo": echo, "msgpack": pack, "handle": handle}[what](conn)


try:
    main()
    print("ok")
except AuthenticationError:
    print("auth")
except Exception as e:
    print(type(e).__name__)
