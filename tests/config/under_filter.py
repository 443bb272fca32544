#!/usr/bin/env python3
"""Runs a program under a unit's SystemCallFilter=, address families and SystemCallErrorNumber=EPERM, without systemd.

    under_filter.py UNIT PROGRAM [ARGUMENTS...]

The groups are those of the installed systemd-analyze; numbers of system calls are x86-64's, of the kernel's headers.
"""
import ctypes
import errno
import os
import pathlib
import re
import struct
import subprocess
import sys

HEADER = "/usr/include/x86_64-linux-gnu/asm/unistd_64.h"
LOAD_NUMBER, LOAD_FAMILY, EQUAL, RETURN = 0x20, 0x20, 0x15, 0x06
ALLOW, ERROR = 0x7FFF0000, 0x00050000
FAMILIES = {"AF_UNIX": 1, "AF_INET": 2, "AF_INET6": 10, "AF_NETLINK": 16}
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2


def calls_of(group):
    """The system calls of one group, those of the groups in it too."""
    told = subprocess.run(["systemd-analyze", "syscall-filter", "--no-pager", group], capture_output=True, text=True, check=True)
    out = set()
    for line in told.stdout.splitlines()[1:]:
        name = line.strip()
        if name.startswith("@"):
            out |= calls_of(name)
        elif name and not name.startswith("#"):
            out.add(name)
    return out


def allowed_by(text):
    out = set()
    for value in re.findall(r"^SystemCallFilter=(.*)$", text, re.M):
        names = set()
        for word in value.removeprefix("~").split():
            names |= calls_of(word) if word.startswith("@") else {word}
        out = out - names if value.startswith("~") else out | names
    return out


def main():
    text = pathlib.Path(sys.argv[1]).read_text()
    numbers = {name: int(number) for name, number in
               re.findall(r"^#define __NR_(\w+) (\d+)$", pathlib.Path(HEADER).read_text(), re.M)}
    # The program itself is begun by a call that systemd makes before it, too.
    allowed = sorted(numbers[name] for name in allowed_by(text) | {"execve"} if name in numbers and name != "socket")
    families = [FAMILIES[name] for name in re.search(r"^RestrictAddressFamilies=(.*)$", text, re.M)[1].split() if name != "none"]
    steps = [(LOAD_NUMBER, 0, 0, 0)]
    for number in allowed:
        steps += [(EQUAL, 0, 1, number), (RETURN, 0, 0, ALLOW)]
    steps += [(EQUAL, 1, 0, numbers["socket"]), (RETURN, 0, 0, ERROR | errno.EPERM), (LOAD_FAMILY, 0, 0, 16)]
    for family in families:
        steps += [(EQUAL, 0, 1, family), (RETURN, 0, 0, ALLOW)]
    steps.append((RETURN, 0, 0, ERROR | errno.EAFNOSUPPORT))
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
    program = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", len(steps), ctypes.addressof(code)))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 or \
            libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.c_void_p(ctypes.addressof(program)), 0, 0) != 0:
        sys.exit(f"no filter: {os.strerror(ctypes.get_errno())}")
    os.execv(sys.argv[2], sys.argv[2:])


if __name__ == "__main__":
    main()
