#!/usr/bin/env python3
"""Writes own-formats.txt: the audit room's own layouts, computed a second time with Python's standard library alone.

Run from this folder: python3 make_vectors.py > own-formats.txt
"""
import hashlib
import struct


def sha(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def chacha20_block(key, counter, nonce):
    """RFC 8439, section 2.3."""
    def rotate(value, bits):
        return ((value << bits) | (value >> (32 - bits))) & 0xFFFFFFFF

    state = list(struct.unpack("<4I", b"expand 32-byte k") + struct.unpack("<8I", key) + (counter,)
                 + struct.unpack("<3I", nonce))
    x = state[:]

    def quarter(a, b, c, d):
        for first, second, third, bits in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
            x[first] = (x[first] + x[second]) & 0xFFFFFFFF
            x[third] = rotate(x[third] ^ x[first], bits)

    for _ in range(10):
        for columns in ((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15),
                        (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14)):
            quarter(*columns)
    return struct.pack("<16I", *((a + b) & 0xFFFFFFFF for a, b in zip(x, state)))


def keystream(seed, size):
    blocks = (size + 63) // 64
    return b"".join(chacha20_block(seed, i, bytes(12)) for i in range(blocks))[:size]


seed = bytes(range(32))
fields = [
    ("act", b"collecte"),
    ("person", b"p-0001"),
    ("empty", b""),
    ("statement", bytes(range(200))),
    ("queue", b"ged/89"),
]
salts = keystream(seed, 16 * len(fields))
salts = [salts[16 * i:16 * i + 16] for i in range(len(fields))]
commitments = [sha(b"pli-field/1", salt, name.encode(), b"\0", value)
               for salt, (name, value) in zip(salts, fields)]
digest = sha(b"pli-record/1", struct.pack(">H", len(fields)), *commitments)


def field_bytes(name, value):
    return struct.pack(">B", len(name)) + name.encode() + struct.pack(">I", len(value)) + value


record = b"\x01" + seed + struct.pack(">H", len(fields)) + b"".join(field_bytes(*f) for f in fields)
disclosure = b"\x01" + struct.pack(">H", len(fields))
for salt, commitment, (name, value) in zip(salts, commitments, fields):
    disclosure += commitment
    disclosure += b"\x01" + salt + field_bytes(name, value) if name in ("act", "empty") else b"\x00"

leaf = (f"pli-leaf/1 habilitation\ntime 1700000000123\nrecord {digest.hex()}\n"
        f"directory 7 {sha(b'directory').hex()}\nstatement rollback accepted\n").encode()

heads = [sha(b"pli-queue-start/1", b"broker.example/pli/89", b"\0", b"ged/89")]
for number in (1, 2):
    heads.append(sha(b"pli-queue/1", heads[-1], struct.pack(">Q", number), sha(b"exchange %d" % number)))

slot = b"pli-out1" + struct.pack(">Q", 258) + struct.pack(">H", 4) + b"note"
slot += bytes(480 - len(slot))
slot += sha(slot)

for name, value in (("record", record), ("record_digest", digest), ("disclosure", disclosure),
                    ("leaf", leaf), ("leaf_hash", sha(b"\0", leaf)),
                    ("queue_head_0", heads[0]), ("queue_head_1", heads[1]), ("queue_head_2", heads[2]),
                    ("slot", slot)):
    print(name, value.hex())
