#!/usr/bin/env python3
"""A second reading of docs/protocol.md: computes its values and texts from its prose, without any of Pli's code.

Python's hashlib and hmac; libsodium by ctypes for curves, signatures and ciphers. Where the document's example holds
random bytes (exchange.txt beside this file, and the boxes), they are opened as a recipient or the broker would.

    document.py ROOT
"""
import base64
import ctypes
import ctypes.util
import hashlib
import hmac
import pathlib
import struct
import sys

sodium = ctypes.CDLL(ctypes.util.find_library("sodium") or "libsodium.so.23")
assert sodium.sodium_init() >= 0
NOON = 1767225600000
failures = []


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def u8(value):
    return struct.pack(">B", value)


def u16(value):
    return struct.pack(">H", value)


def u32(value):
    return struct.pack(">I", value)


def u64(value):
    return struct.pack(">Q", value)


def string8(text):
    text = text if isinstance(text, bytes) else text.encode()
    return u8(len(text)) + text


def bytes16(data):
    return u16(len(data)) + data


def bytes32(data):
    return u32(len(data)) + data


def counted(first, size):
    return bytes(range(first, first + size))


# ---- primitives ------------------------------------------------------------------------------------------------------

def call(name, size, *arguments):
    out = ctypes.create_string_buffer(max(size, 1))
    if getattr(sodium, name)(out, *arguments) != 0:
        raise ValueError(name)
    return out.raw[:size]


def length(data):
    return ctypes.c_ulonglong(len(data))


def x25519(secret, point=None):
    if point is None:
        return call("crypto_scalarmult_base", 32, secret)
    return call("crypto_scalarmult", 32, secret, point)


def ed25519(seed):
    secret = ctypes.create_string_buffer(64)
    return call("crypto_sign_seed_keypair", 32, secret, seed), secret.raw


def sign(seed, message):
    return call("crypto_sign_detached", 64, None, message, length(message), ed25519(seed)[1])


def hkdf(salt, ikm, info):
    prk = hmac.new(salt or bytes(32), ikm, hashlib.sha256).digest()
    return hmac.new(prk, info + b"\x01", hashlib.sha256).digest()


def xchacha_open(key, sealed, bound):
    nonce, sealed = sealed[:24], sealed[24:]
    return call("crypto_aead_xchacha20poly1305_ietf_decrypt", len(sealed) - 16, None, None, sealed, length(sealed),
                bound, length(bound), nonce, key)


def chacha_open(key, nonce, sealed):
    return call("crypto_aead_chacha20poly1305_ietf_decrypt", len(sealed) - 16, None, None, sealed, length(sealed),
                None, ctypes.c_ulonglong(0), nonce, key)


def box_open(boxed, theirs, ours):
    return call("crypto_box_open_easy", len(boxed) - 24 - 16, boxed[24:], length(boxed[24:]), boxed[:24], theirs, ours)


def keystream(seed, size):
    return call("crypto_stream_chacha20_ietf", size, ctypes.c_ulonglong(size), bytes(12), seed)


def age_recipient(key):
    alphabet = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"

    def polymod(values):
        check = 1
        for value in values:
            top = check >> 25
            check = (check & 0x1FFFFFF) << 5 ^ value
            for i, term in enumerate([0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3]):
                check ^= term if top >> i & 1 else 0
        return check

    number = int.from_bytes(key, "big") << 4
    data = [number >> 5 * (51 - i) & 31 for i in range(52)]
    expanded = [ord(c) >> 5 for c in "age"] + [0] + [ord(c) & 31 for c in "age"]
    check = polymod(expanded + data + [0] * 6) ^ 1
    return "age1" + "".join(alphabet[value] for value in data + [check >> 5 * (5 - i) & 31 for i in range(6)])


# ---- the document ----------------------------------------------------------------------------------------------------

def read_document(path):
    """Values of the ```vectors blocks, texts of the ```text blocks."""
    values, texts, inside, name = {}, {}, None, None
    for line in path.read_text("utf-8").split("\n"):
        if line.startswith("```"):
            inside, name = line[3:] or None, None
            if inside and inside.startswith("text "):
                texts[inside[5:]] = ""
        elif inside == "vectors" and line.startswith(" "):
            values[name] += line.strip()
        elif inside == "vectors":
            name, value = line.split(" =", 1)
            values[name] = value.strip()
        elif inside and inside.startswith("text "):
            texts[inside[5:]] += line + "\n"
    return values, texts


def expect(name, printed, computed):
    computed = computed.hex() if isinstance(computed, bytes) else computed
    if printed != computed:
        failures.append(f"{name}: the document says\n  {printed}\nand its prose gives\n  {computed}")


class Identity:
    def __init__(self, seed):
        self.secret = {use: hkdf(b"pli-identity/1", seed, use.encode()) for use in ("curve", "sign", "age", "witness", "links")}
        self.curve, self.age = x25519(self.secret["curve"]), x25519(self.secret["age"])
        self.sign, self.witness = ed25519(self.secret["sign"])[0], ed25519(self.secret["witness"])[0]

    def statement(self, name, data):
        return sign(self.secret["sign"], b"pli/" + name + b"/1\x00" + sha256(data))


def verifier_key(name, key, kind=b"\x01"):
    return f"{name}+{sha256(name.encode(), bytes([10]), kind, key)[:4].hex()}+{base64.b64encode(kind + key).decode()}"


def signed_note(text, signers):
    """`signers`: (name, seed) in order."""
    out = text + "\n"
    for name, seed in signers:
        identifier = sha256(name.encode(), bytes([10]), b"\x01", ed25519(seed)[0])[:4]
        out += f"— {name} {base64.b64encode(identifier + sign(seed, text.encode())).decode()}\n"
    return out


def entry(salt, kind, name, attributes):
    body = b"".join(string8(key) + bytes16(value if isinstance(value, bytes) else value.encode())
                    for key, value in attributes)
    return u8(1) + bytes([salt]) * 16 + u8(kind) + string8(name) + u16(len(attributes)) + body


def tree_root(leaves):
    """RFC 6962, section 2.1, taken literally. `leaves`: leaf data."""
    if len(leaves) == 1:
        return sha256(b"\x00", leaves[0])
    half = 1
    while half * 2 < len(leaves):
        half *= 2
    return sha256(b"\x01", tree_root(leaves[:half]), tree_root(leaves[half:]))


def bucket(size):
    total = max(size + 4, 1024)
    exponent = total.bit_length() - 1
    low = exponent - exponent.bit_length()
    return (total + 2 ** low - 1) >> low << low


def fingerprint(text):
    digest = sha256(b"pli-fingerprint/1", text.encode())
    return " ".join(f"{int.from_bytes(digest[4 * i:4 * i + 4], 'big') % 100000:05}" for i in range(6))


def main():
    root = pathlib.Path(sys.argv[1])
    values, texts = read_document(root / "docs" / "protocol.md")
    large = dict(line.split(" ") for line in
                 (root / "tests/protocol/vectors/exchange.txt").read_text("ascii").splitlines())
    locked, payload = bytes.fromhex(large["locked"]), bytes.fromhex(large["payload"])
    computed, written = {}, {}

    author, reader = Identity(counted(0, 32)), Identity(bytes([2]) * 32)
    for name, identity in (("author", author), ("reader", reader)):
        computed[name + ".curve"], computed[name + ".sign"] = identity.curve, identity.sign
        computed[name + ".age"] = identity.age
    computed["author.witness"] = author.witness
    computed["author.links"] = author.secret["links"]
    release_key, file_key = counted(0x40, 32), counted(0, 16)

    # Directory
    def member(name, organisation, role, territory, seat, identity):
        return entry(3, 3, name, [
            ("person", name), ("organisation", organisation), ("role", role), ("territory", territory), ("seat", seat),
            ("label", "Personne inventée"), ("not-before", "1700000000000"), ("not-after", "1900000000000"),
            ("curve", identity.curve), ("sign", identity.sign), ("age", identity.age)])

    entries = [
        entry(1, 1, "csi-yonne", [("title", "Contrat (exemple)"), ("party", "Valbrune"), ("territory", "89"),
                                  ("starts", "1700000000000"), ("ends", "1900000000000"),
                                  ("engagement", "retour 30")]),
        entry(2, 2, "ged/89", [("territory", "89"), ("key", reader.age)]),
        entry(2, 2, "org/210890240", [("territory", "89"), ("organisation", "210890240"), ("key", author.age)]),
        member("g.petit", "gendarmerie", "membre_ged", "89", "ged/89", reader),
        member("m.durand", "210890240", "referent", "89024", "org/210890240", author),
    ]
    commitments = [sha256(b"pli-entry/1", data) for data in entries]
    computed["entry.queue"], computed["entry.member"] = entries[1], entries[3]
    computed["entry.contract"] = entry(1, 1, "csi-yonne", [
        ("title", "Contrat (exemple)"), ("party", "Préfecture"), ("party", "210890240 Valbrune"), ("territory", "89"),
        ("territory", "89024"), ("territory", "89387"), ("starts", "1700000000000"), ("ends", "1900000000000"),
        ("engagement", "decision 120"), ("volet", "radicalisation_separatisme"), ("volet", "transport"),
        ("referent", "Mme Inventée, 03 00 00 00 00")])
    computed["entry.tool"] = entry(4, 6, "outil.transport", [
        ("volet", "transport"), ("kind", "information_de_volet"), ("kind", "complement"), ("post", "ged/89"),
        ("read", "org/210890240")])
    computed["entry.seances"] = entry(2, 2, "ged/89", [
        ("territory", "89"), ("seance-from", "2026-12-03"), ("seance-every", "15"), ("seance-added", "2026-12-22"),
        ("seance-struck", "2027-01-02"), ("key", reader.age)])
    computed["entry.member.commitment"] = commitments[3]
    roster = sha256(b"pli-roster/1", string8("ged/89"), u16(1), reader.age)
    computed["roster.digest"] = roster
    computed["directory.root"] = tree_root(commitments)
    authorities = [(f"authority.example/{i}", bytes([0xA0 + i]) * 32) for i in (1, 2, 3)]
    keys = "".join(f"authority {verifier_key(name, ed25519(seed)[0])}\n" for name, seed in authorities)
    note = (f"pli-directory/1\ncontract csi-yonne\nnumber 1\nprevious {'00' * 32}\n"
            f"not-after {NOON + 30 * 24 * 3600 * 1000}\nthreshold 2\n{keys}entries 5\n"
            f"root {tree_root(commitments).hex()}\n")
    computed["directory.digest"] = sha256(note.encode())
    written["directory-note"] = signed_note(note, [authorities[0], authorities[2]])

    # Address, seal, lock, payload
    address = (u8(1) + string8("csi-yonne") + string8("pli.example/pli/89") + u16(1) + string8("m.durand") + author.sign +
               string8("ged/89") + bytes(32) + bytes(32) + u8(0) + u8(1) + string8("ged-only") + u8(0) + u64(1) + roster +
               u64(NOON) + bytes([5]) * 16)
    computed["address"], computed["address.digest"] = address, sha256(address)
    release_commitment = sha256(b"pli-release/1", sha256(address), release_key)
    file_key_commitment = sha256(b"pli-filekey/1", file_key)
    computed["release.commitment"], computed["filekey.commitment"] = release_commitment, file_key_commitment
    seal = (u8(1) + u64(len(locked)) + sha256(locked) + u64(len(payload)) + sha256(payload) + release_commitment +
            file_key_commitment)
    exchange = sha256(address, seal)
    computed["seal"], computed["exchange.id"] = seal, exchange
    computed["exchange.signature"] = author.statement(b"exchange", address + seal)
    bound = b"pli-lock/1" + sha256(address) + sha256(payload)
    computed["lock.ad"] = bound
    computed["padding.buckets"] = " ".join(str(bucket(size)) for size in (0, 1020, 1021, 5000, 100000))
    plaintext = bytes32(address) + bytes32(b"contenu") + bytes16(b"") + u8(0)
    computed["plaintext"] = plaintext

    header = xchacha_open(release_key, locked, bound).decode("ascii")
    lines = header.split("\n")
    assert lines[0] == "age-encryption.org/v1" and len(lines) == 5 and lines[1].startswith("-> X25519 "), lines

    def unpadded(text):
        return base64.b64decode(text + "=" * (-len(text) % 4))

    share = unpadded(lines[1].split(" ")[2])
    wrap = hkdf(share + reader.age, x25519(reader.secret["age"], share), b"age-encryption.org/v1/X25519")
    expect("file key", file_key.hex(), chacha_open(wrap, bytes(12), unpadded(lines[2])))
    mac = hmac.new(hkdf(b"", file_key, b"header"), header[:header.index("---") + 3].encode(), hashlib.sha256).digest()
    expect("header mac", lines[3], "--- " + base64.b64encode(mac).decode().rstrip("="))
    padded = chacha_open(hkdf(payload[:16], file_key, b"payload"), bytes(11) + b"\x01", payload[16:])
    expect("padded", padded.hex(), (u32(len(plaintext)) + plaintext).ljust(1024, b"\x00"))

    # Release
    broker, session = bytes([0x11]) * 32, bytes([0x22]) * 32
    computed["broker.release_key"], computed["session.key"] = x25519(broker), x25519(session)
    for name, purpose, theirs, ours in (("share", b"\x01", session, broker), ("grant", b"\x02", broker, session)):
        computed[name] = bytes.fromhex(values[name])
        expect(name, (purpose + release_key).hex(), box_open(computed[name], x25519(theirs), ours))
    computed["release"] = (u8(1) + u8(1) + string8("broker") + u32(202601) + x25519(session) + computed["share"])

    # Opening
    opening = (u8(1) + string8("pli.example/pli/89") + exchange + string8("g.petit") + reader.sign + u64(1) + u8(1) +
               bytes(32) + x25519(session) + u64(NOON + 60000) + bytes([6]) * 16)
    computed["opening"], computed["opening.id"] = opening, sha256(opening)
    computed["opening.signature"] = reader.statement(b"open", opening)

    # Card, invitation
    card = (f"pli-card/1\ncurve {author.curve.hex()}\nsign {author.sign.hex()}\nage {age_recipient(author.age)}\n"
            f"created {NOON}\n")
    card += f"proof {base64.b64encode(author.statement(b'card', card.encode())).decode()}\n"
    log_seed = bytes([1]) * 32
    invitation = (f"pli-invitation/1\ncontract csi-yonne\nmember m.durand\nlog pli.example/pli/89\n"
                  f"log-key {ed25519(log_seed)[0].hex()}\nendpoint tcp://pli.example:7777\n"
                  f"broker {x25519(bytes([0x33]) * 32).hex()}\nthreshold 2\n{keys}directory 1\n")
    witnessed = invitation + "".join(
        f"witness w{number} {verifier_key(f'witness.example/w{number}', ed25519(bytes([2 * number]) * 32)[0], bytes([4]))}\n"
        for number in (1, 2)) + "group two all w1 w2\nquorum two\n"
    written["card"], written["invitation"], written["invitation-with-witnesses"] = card, invitation, witnessed
    computed["invitation.witnessed.fingerprint"] = fingerprint(witnessed)
    computed["card.fingerprint"], computed["invitation.fingerprint"] = fingerprint(card), fingerprint(invitation)

    # Record, leaf, queue, receipt
    seed, fields = counted(0, 32), [("act", b"submit"), ("queue", b"ged/89")]
    stored = [string8(name) + bytes32(value) for name, value in fields]
    salts = keystream(seed, 32)
    hidden = [sha256(b"pli-field/1", salts[16 * i:16 * i + 16], name.encode(), b"\x00", value)
              for i, (name, value) in enumerate(fields)]
    computed["record"] = u8(1) + seed + u16(2) + b"".join(stored)
    computed["record.digest"] = sha256(b"pli-record/1", u16(2), *hidden)
    disclosure = u8(1) + u16(2) + hidden[0] + u8(1) + salts[:16] + stored[0] + hidden[1] + u8(0)
    computed["disclosure"] = disclosure
    leaf = f"pli-leaf/1 collecte\ntime {NOON + 500}\nrecord {computed['record.digest'].hex()}\n"
    written["leaf"] = leaf
    computed["leaf.hash"] = sha256(b"\x00", leaf.encode())
    start = sha256(b"pli-queue-start/1", b"pli.example/pli/89", b"\x00", b"ged/89")
    computed["queue.start"] = start
    computed["queue.first"] = sha256(b"pli-queue/1", start, u64(1), exchange)
    # Shards
    order = (f"pli-order/1\ncontract csi-yonne\nlog pli.example/pli/89\ncloses pli.example/pli/89/2026-1\n"
             f"last 1234 {'5a' * 32}\nrestored 1200 {'3c' * 32}\nopens pli.example/pli/89/2026-2\n")
    written["rollback-request"] = (f"pli-order-request/1\n{order[len('pli-order/1') + 1:]}"
                                   f"newest {NOON - 12 * 3600 * 1000}\ncreated {NOON}\n")
    order += f"created {NOON}\n"
    computed["order.digest"] = sha256(order.encode())
    written["rollback-order"] = signed_note(order, [authorities[0], authorities[2]])
    written["first-leaf"] = (leaf.replace("collecte", "registre") + f"directory 1 {computed['directory.digest'].hex()}\n"
                             f"statement shard pli.example/pli/89/2026-1 1200 {'3c' * 32} last 1234 {'5a' * 32} "
                             f"order {computed['order.digest'].hex()}\n")

    origin = "pli.example/pli/89/2026-1"
    checkpoint = signed_note(f"{origin}\n1\n{base64.b64encode(computed['leaf.hash']).decode()}\n", [(origin, log_seed)])
    extra = base64.b64encode(bytes16(leaf.encode()) + disclosure).decode()
    written["receipt"] = f"c2sp.org/tlog-proof@v1\nextra {extra}\nindex 0\n\n{checkpoint}"

    # Export folder
    day = NOON // 86400000 * 86400000
    written["period"] = f"pli-export/1\nfrom 0\nto 1\nafter {day}\nbefore {day + 86400000}\n"
    computed["export.records"] = b"pli-records/1\n" + u64(0) + bytes32(disclosure)

    for name in sorted(set(values) | set(computed)):
        expect(name, values.get(name), computed.get(name))
    for name in sorted(set(texts) | set(written)):
        expect(name, texts.get(name), written.get(name))
    if failures:
        sys.exit("\n".join(failures))
    print(f"{len(values)} values and {len(texts)} texts of docs/protocol.md follow from its prose")


if __name__ == "__main__":
    main()
