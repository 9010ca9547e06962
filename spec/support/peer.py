"""The other side of wires, for specs: behaves well or badly at ports and pseudo-terminals.

Prints "KIND BEHAVIOUR PLACE", with commas between, and serves until its standard input ends.
"""
import os
import pty
import socket
import struct
import sys
import threading
import tty


def echo(read, write):
    """Lines come back; "bytes" as a definite block of all byte values."""
    rest = b""
    while True:
        more = read()
        if not more:
            return
        rest += more
        while b"\n" in rest:
            line, rest = rest.split(b"\n", 1)
            write(b"#3256" + bytes(range(256)) + b"\n" if line == b"bytes" else line + b"\n")


def silent(read, write):
    while read():
        pass


def once(answer):
    """Says the same to whatever is said, in pieces where it is a list."""
    def behave(read, write):
        while read():
            for piece in answer if isinstance(answer, list) else [answer]:
                write(piece)
    return behave


def cut(read, write):
    read()
    write(b"1.2")


def flood(read, write):
    read()
    while True:
        write(b"x" * 65536)


def deaf(read, write):
    threading.Event().wait()


BEHAVIOURS = {
    "echo": echo,
    "silent": silent,
    "deaf": deaf,
    "half": once(b"1.2"),
    "pieces": once([b"1.", b"2", b"5\n"]),
    "garbage": once(bytes(range(255, 127, -1)) * 8),
    "huge": once(b"#9999999999" + b"x" * 100),
    "endless": once(b"#0abc\n"),
    "long": once(b"#15abcdefgh\n"),
    "wrong": once(b"0.5\r"),
    "cut": cut,
    "flood": flood,
}


def serve(client, behave):
    try:
        behave(lambda: client.recv(4096), client.sendall)
    except OSError:
        pass
    client.close()


def reset(client):
    client.recv(1)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def at_a_port(name):
    server = socket.socket()
    server.bind(("127.0.0.1", 0))
    address = server.getsockname()
    if name != "closed":
        server.listen(0 if name == "full" else 8)
    if name in ("closed", "full"):
        kept.append(server)
    else:
        threading.Thread(target=accept, args=(server, name), daemon=True).start()
    for _ in range(4 if name == "full" else 0):  # whoever comes after these waits for ever
        kept.append(socket.socket())
        kept[-1].setblocking(False)
        kept[-1].connect_ex(address)
    return address[1]


def accept(server, name):
    while True:
        client, _ = server.accept()
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        arguments = (client,) if name == "reset" else (client, BEHAVIOURS[name])
        threading.Thread(target=reset if name == "reset" else serve, args=arguments,
                         daemon=True).start()


def at_a_terminal(name):
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    threading.Thread(target=BEHAVIOURS[name], daemon=True, args=(
        lambda: os.read(ours, 4096), lambda text: os.write(ours, text))).start()
    return os.ttyname(theirs)


kept = []
places = ["tcp %s %s" % (name, at_a_port(name))
          for name in list(BEHAVIOURS) + ["closed", "full", "reset"]]
places += ["pty %s %s" % (name, at_a_terminal(name))
           for name in ("echo", "silent", "half", "wrong", "flood")]
print(",".join(places), flush=True)
sys.stdin.read()
os._exit(0)
