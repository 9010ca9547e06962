"""The least that a Python program on pipes costs: reads so many bytes, writes so many, and on.

python3 peer_pong.py ASKED SAID
"""
import os
import sys

asked, said = int(sys.argv[1]), bytes(int(sys.argv[2]))
while True:
    left = asked
    while left:
        piece = os.read(0, left)
        if not piece:
            sys.exit()
        left -= len(piece)
    rest = memoryview(said)
    while rest:
        rest = rest[os.write(1, rest):]
