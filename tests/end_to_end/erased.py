"""An erasure with the real programs: two persons ask for it, the case is gone, and whoever was shown it holds a certificate
that verifies without a broker; a forged one does not.

Exits non-zero at the first step that is not as it must be.
"""

import json
import re
import sys

from departement import SOURCE, must, play

FORM = SOURCE / "config" / "forms" / "signalement-individuel-simple.json"
REQUEST = SOURCE / "config" / "forms" / "demande-effacement.json"


def story(department):
    pli = department.pli
    department.make_contract(1, 1)
    department.enrol("referent.sens", ["referent"], "218903870", "89387", "Référent, mairie de Sens")
    department.enrol("secretariat", ["secretariat"], "prefecture.89", "89", "Secrétariat")
    department.enrol("suppleant", ["secretariat"], "prefecture.89", "89", "Secrétariat, suppléant")
    department.enrol("b.aubry", ["membre_ged"], "service.b", "89", "Membre du GED")
    department.enrol("auditrice", ["auditeur"], "inspection", "89", "Déléguée à la protection des données")
    department.init_broker()
    department.start_broker()

    lines, _ = pli("referent.sens", "send", FORM)
    case = lines[-1]["exchange"]
    for who in ("secretariat", "b.aubry"):
        pli(who, "open", case, "--motif", "evaluation")
    lines, _ = pli("b.aubry", "receipt", "erasure", case, expect=1)
    must(lines[-1]["error"] == "INVALID(erasure)", "of what stands there is no certificate")
    for who in ("secretariat", "suppleant"):
        lines, _ = pli(who, "send", REQUEST, "--case", case)
        must(lines[-1]["state"] == "receipted", f"{who} asks for its erasure")
    department.stop_broker()
    department.start_broker()  # which looks at once for what is due
    lines, _ = pli("b.aubry", "open", case, "--motif", "evaluation", expect=1)
    must(lines[-1]["error"] == "ERASED(terme)", "it opens no more")

    lines, _ = pli("b.aubry", "receipt", "erasure", case)
    must(lines[-1]["erased"] == case and not lines[-1]["submission"] and lines[-1]["erased_at"] < lines[-1]["backups_at"],
         "whoever was shown it has a certificate, with both dates")
    lines, _ = pli("referent.sens", "receipt", "erasure", case, expect=1)
    must(lines[-1]["error"] == "NOT_FOUND", "its sender has none")
    plain = [department.programs / "pli", "--home", department.home("b.aubry"), "--passphrase-file", department.passphrase]
    done = department.run([*plain, "inbox"])
    must("(effacé)" in done.stdout, "its place is shown as erased")

    department.stop_broker()
    certificate = next(department.home("b.aubry").rglob(f"{case}.effacement.tlog-proof"))
    lines, _ = pli("b.aubry", "receipt", "verify", certificate)
    must(lines[-1]["erased"] == case, "it verifies without a broker")
    done = department.run([*plain, "receipt", "verify", certificate])
    must("Certificat d'effacement authentique" in done.stdout and "de toute sauvegarde" in done.stdout, "and says so in French")
    text = certificate.read_text(encoding="utf-8")
    forged = department.folder / "forge.tlog-proof"
    extra = re.search(r"(?m)^extra (.+)$", text).group(1)
    for at in (10, len(extra) // 2, len(extra) - 8):
        other = "A" if extra[at] != "A" else "B"
        forged.write_text(text.replace(extra, extra[:at] + other + extra[at + 1:]), encoding="utf-8")
        lines, _ = pli("b.aubry", "receipt", "verify", forged, expect=4)
        must(lines[-1]["error"] == "receipt_invalid", f"altered at {at} it does not")


if __name__ == "__main__":
    sys.exit(play(__doc__, story))
