#!/usr/bin/env python3
"""Writes communes.tsv from the npm package @etalab/decoupage-administratif (sources and licence: README.md).

    config/make_communes.py                    fetches the pinned version with `npm pack`
    config/make_communes.py --package FILE     reads a package file already at hand

The package file must have the digest below, so that the same table comes out on every machine.
For a new vintage: change VERSION and INTEGRITY (`npm view NAME@VERSION dist.integrity`), run, read the
diff, and bring the counts in README.md and tests/config up to date.
"""
import argparse
import base64
import hashlib
import io
import json
import pathlib
import re
import subprocess
import sys
import tarfile
import tempfile

NAME = "@etalab/decoupage-administratif"
VERSION = "6.0.0"
INTEGRITY = "sha512-XavYsFlbcM/prKr8hNHPKER94IHw/dsxNM4nxjWMYk6PLFACpEedvn/7wK8Baozm0dCYhWWcf+7bcWpA5pmCaQ=="

WELL_FORMED = re.compile(r"^(\d{2}|2[AB])\d{3}$")


def fetch():
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["npm", "pack", "--silent", f"{NAME}@{VERSION}"], cwd=folder, check=True,
                       stdout=subprocess.DEVNULL)
        (package,) = pathlib.Path(folder).glob("*.tgz")
        return package.read_bytes()


def read_communes(package):
    digest = "sha512-" + base64.b64encode(hashlib.sha512(package).digest()).decode()
    if digest != INTEGRITY:
        sys.exit(f"the package is not {NAME} {VERSION}: its digest is {digest}")
    with tarfile.open(fileobj=io.BytesIO(package)) as archive:
        return json.load(archive.extractfile("package/data/communes.json"))


def departement_of(code):
    return code[:3] if code[:2] in ("97", "98") else code[:2]


def rows(communes):
    for entry in communes:
        kind = entry["type"]
        if kind not in ("commune-actuelle", "arrondissement-municipal"):
            continue  # déléguées and associées: parts of a commune that is in the table itself
        if "population" not in entry:
            continue  # districts without inhabitants nor mayor (984, 989)
        code, name, departement = entry["code"], entry["nom"], entry["departement"]
        if not WELL_FORMED.match(code) or departement != departement_of(code):
            sys.exit(f"{code}: code or département not as expected")
        if re.search(r"[\t\r\n]", name) or name != name.strip() or not name:
            sys.exit(f"{code}: name not as expected")
        row = [code, name, departement, str(entry["population"])]
        if kind == "arrondissement-municipal":
            row.append(entry["commune"])
        yield row


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--package", type=pathlib.Path, help="a package file already at hand")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path(__file__).with_name("communes.tsv"))
    options = parser.parse_args()
    package = options.package.read_bytes() if options.package else fetch()
    table = sorted(rows(read_communes(package)))
    lines = [f"pli-communes/1\t{len(table)}"] + ["\t".join(row) for row in table]
    options.out.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")
    print(f"{len(table)} rows written to {options.out}")


if __name__ == "__main__":
    main()
