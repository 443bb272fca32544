#!/usr/bin/env python3
"""Writes seam.txt: fixed values of Pli's own constructions, computed without any of Pli's code.

Python's hmac and hashlib, openssl for Ed25519 and public keys, libsodium by ctypes for boxes, age-keygen to
confirm the age key text. Run: ./make_seam.py > seam.txt
"""
import ctypes
import hashlib
import hmac
import subprocess
import tempfile

sodium = ctypes.CDLL("libsodium.so.23")
assert sodium.sodium_init() >= 0

PKCS8 = {"x25519": bytes.fromhex("302e020100300506032b656e04220420"),
         "ed25519": bytes.fromhex("302e020100300506032b657004220420")}


def show(name, value):
    print(name, value if isinstance(value, str) else value.hex())


def sha256(data):
    return hashlib.sha256(data).digest()


def hkdf(salt, ikm, info):
    prk = hmac.new(salt or bytes(32), ikm, hashlib.sha256).digest()
    return hmac.new(prk, info + b"\x01", hashlib.sha256).digest()


def openssl(*arguments, given=b""):
    return subprocess.run(["openssl", *arguments], input=given, capture_output=True, check=True).stdout


def public(kind, raw):
    return openssl("pkey", "-inform", "DER", "-pubout", "-outform", "DER", given=PKCS8[kind] + raw)[-32:]


def sign(seed, message):
    with tempfile.NamedTemporaryFile() as key, tempfile.NamedTemporaryFile() as text:
        key.write(PKCS8["ed25519"] + seed)
        key.flush()
        text.write(message)
        text.flush()
        return openssl("pkeyutl", "-sign", "-inkey", key.name, "-keyform", "DER", "-rawin", "-in", text.name)


def age_text(prefix, key, spare_bits=0, constant=1):
    alphabet = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"

    def polymod(values):
        check = 1
        for value in values:
            top = check >> 25
            check = (check & 0x1FFFFFF) << 5 ^ value
            for i, term in enumerate([0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3]):
                check ^= term if top >> i & 1 else 0
        return check

    number = int.from_bytes(key, "big") << 4 | spare_bits
    data = [number >> 5 * (51 - i) & 31 for i in range(52)]
    expanded = [ord(c) >> 5 for c in prefix] + [0] + [ord(c) & 31 for c in prefix]
    check = polymod(expanded + data + [0] * 6) ^ constant
    data += [check >> 5 * (5 - i) & 31 for i in range(6)]
    return prefix + "1" + "".join(alphabet[value] for value in data)


def crypto_box(nonce, plaintext, their_public, our_secret):
    out = ctypes.create_string_buffer(len(plaintext) + 16)
    size = ctypes.c_ulonglong(len(plaintext))
    assert sodium.crypto_box_easy(out, plaintext, size, nonce, their_public, our_secret) == 0
    return nonce + out.raw


def xchacha(nonce, key, plaintext, bound):
    out = ctypes.create_string_buffer(len(plaintext) + 16)
    assert sodium.crypto_aead_xchacha20poly1305_ietf_encrypt(
        out, None, plaintext, ctypes.c_ulonglong(len(plaintext)), bound, ctypes.c_ulonglong(len(bound)), None,
        nonce, key) == 0
    return nonce + out.raw


seed = bytes(range(32))
show("identity_seed", seed)
for use, kind in [("curve", "x25519"), ("sign", "ed25519"), ("age", "x25519"), ("witness", "ed25519")]:
    derived = hkdf(b"pli-identity/1", seed, use.encode())
    show(f"identity_{use}_secret", derived)
    show(f"identity_{use}_public", public(kind, derived))
show("identity_links_secret", hkdf(b"pli-identity/1", seed, b"links"))
age_secret = hkdf(b"pli-identity/1", seed, b"age")
age_identity = age_text("age-secret-key-", age_secret).upper()
age_recipient = age_text("age", public("x25519", age_secret))
confirmed = subprocess.run(["age-keygen", "-y"], input=age_identity.encode(), capture_output=True, check=True).stdout
assert confirmed.decode().strip() == age_recipient
show("age_identity_text", age_identity)
show("age_recipient_text", age_recipient)
show("recipient_with_spare_bit", age_text("age", public("x25519", age_secret), spare_bits=1))
show("recipient_in_bech32m", age_text("age", public("x25519", age_secret), constant=0x2BC830A3))
show("recipient_of_another_prefix", age_text("agf", public("x25519", age_secret)))

for name in ["exchange", "open", "card", "renewal"]:
    message = b"pli/" + name.encode() + b"/1\x00" + sha256(b"bytes")
    show(f"statement_{name}", sign(hkdf(b"pli-identity/1", seed, b"sign"), message))

release_key = bytes(range(0x40, 0x60))
nonce = bytes(range(24))
broker_secret, client_secret = b"\x11" * 32, b"\x22" * 32
broker_public = public("x25519", broker_secret)
show("release_key", release_key)
show("broker_secret", broker_secret)
show("broker_public", broker_public)
show("client_secret", client_secret)
show("client_public", public("x25519", client_secret))
show("share", crypto_box(nonce, b"\x01" + release_key, broker_public, client_secret))
show("grant", crypto_box(nonce, b"\x02" + release_key, broker_public, client_secret))

address, payload = sha256(b"address"), sha256(b"payload")
show("locked", xchacha(nonce, release_key, b"an age header", b"pli-lock/1" + address + payload))
show("lease_key", b"\x33" * 32)
show("leased", xchacha(nonce, b"\x33" * 32, release_key, address))
show("release_commitment", sha256(b"pli-release/1" + address + release_key))
show("file_key", bytes(range(16)))
show("file_key_commitment", sha256(b"pli-filekey/1" + bytes(range(16))))
