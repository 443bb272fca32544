#!/usr/bin/env python3
"""Plants bugs in copies of the broker's sources, for the simulator to find.

    plant.py ROOT OUT

Writes each file that a bug touches to OUT/<its name>, and OUT/planted_bugs.cpp with their names. A bug whose text is
no longer there stops the build: the code has changed, and the bug is to be planted anew.
"""
import pathlib
import sys

# Name: ((file, what stands there, what stands there instead with AWAKE for the bug's switch), …)
BUGS = {
    # P2
    "answered_before_durable": (
        ("store.cpp", "    db.exec(store_connection_pragmas);\n",
         "    db.exec(store_connection_pragmas);\n    if (AWAKE) db.exec(\"PRAGMA synchronous = OFF\");\n"),
    ),
    "answered_though_not_committed": (
        ("store.cpp", "    if (state.fault) return *state.fault;\n", "    if (state.fault && !AWAKE) return *state.fault;\n"),
        ("core.cpp", "  push_arrived(batch, outcome.outgoing);\n  if (auto failed = store_.fault()) return *failed;\n",
         "  push_arrived(batch, outcome.outgoing);\n"
         "  if (auto failed = store_.fault(); failed && !AWAKE) return *failed;\n"),
    ),
    # P3
    "read_again_unrecorded": (
        ("handle_open.cpp", "  if (granted && now - granted->at > protocol::opening_replay_window) granted.reset();\n",
         "  if (AWAKE && !granted)\n"
         "    for (const auto& [id, place] : openings_)\n"
         "      if (const auto row = store_.opening(place); row && row->opener == member.id)\n"
         "        if (const auto asked_for = store_.find_exchange(wanted.exchange);\n"
         "            asked_for && asked_for->number == row->exchange)\n"
         "          granted = row;\n"
         "  if (granted && now - granted->at > protocol::opening_replay_window) granted.reset();\n"),
    ),
    "refused_unrecorded": (
        ("core.cpp", "  log(batch, audit::LeafType::refus, make_record(&caller.member, asked, decided));\n",
         "  if (!AWAKE) log(batch, audit::LeafType::refus, make_record(&caller.member, asked, decided));\n"),
    ),
    "openings_forgotten_at_start": (
        ("core.cpp", "    openings_.emplace(opening.id, opening.leaf);\n",
         "    if (!AWAKE) openings_.emplace(opening.id, opening.leaf);\n"),
    ),
    "journal_read_unrecorded": (
        ("handle_records.cpp", "  if (others) {\n", "  if (others && !AWAKE) {\n"),
    ),
    # P5
    "signature_unchecked": (
        ("gate_verify.cpp",
         "  if (!crypto::verify_statement_digest(address->sender_key, crypto::StatementName::exchange, id, "
         "envelope.signature))\n",
         "  if (!AWAKE &&\n"
         "      !crypto::verify_statement_digest(address->sender_key, crypto::StatementName::exchange, id,\n"
         "                                       envelope.signature))\n"),
    ),
    # P6
    "roster_unchecked": (
        ("core_steps.cpp", "      if (listed) out.add(Relation::seated);\n",
         "      if (listed || AWAKE) out.add(Relation::seated);\n"),
        ("core_steps.cpp", "  return readers && on_roster(member, *readers);\n",
         "  return readers && (AWAKE || on_roster(member, *readers));\n"),
    ),
    "seat_unchecked": (
        ("core_steps.cpp", "  if (found != nullptr && sits_in(member, queue)) {\n",
         "  if (found != nullptr && (AWAKE || sits_in(member, queue))) {\n"),
    ),
    "hidden_headers_shown": (
        ("core_steps.cpp", "  item.visible = visible && !row.erased;\n",
         "  item.visible = (visible || AWAKE) && !row.erased;\n"),
    ),
    "revoked_while_waiting_served": (
        ("core.cpp", "member->keys.curve == request.peer.key && member->valid_at(batch.now);\n",
         "member->keys.curve == request.peer.key && (AWAKE || member->valid_at(batch.now));\n"),
    ),
    "suspension_forgotten_at_start": (
        ("core.cpp", "    suspended_[row.member] = {row.directory, suspension->lapses_at()};\n",
         "    if (!AWAKE) suspended_[row.member] = {row.directory, suspension->lapses_at()};\n"),
    ),
    "stale_roster_accepted": (
        ("handle_submit.cpp", "  if (address.roster != roster_digest) return deny(Code::stale_directory);\n",
         "  if (!AWAKE && address.roster != roster_digest) return deny(Code::stale_directory);\n"),
    ),
    "decided_unread": (
        ("core_steps.cpp", "  facts.opened = row.opened;\n", "  facts.opened = AWAKE || row.opened;\n"),
    ),
    "journal_open_to_all": (
        ("handle_records.cpp",
         "  if (!decision) return deny(Code::forbidden, decision.rule);\n  // Reading is a leaf too",
         "  if (!AWAKE && !decision) return deny(Code::forbidden, decision.rule);\n  // Reading is a leaf too"),
    ),
    # P8
    "duplicate_accepted": (
        ("handle_submit.cpp", "  if (const auto row = store_.find_exchange(request.id)) {\n",
         "  if (const auto row = store_.find_exchange(request.id); row && !AWAKE) {\n"),
        ("handle_submit.cpp", "  if (store_.find_nonce(nonce)) return deny(Code::conflict);\n",
         "  if (!AWAKE && store_.find_nonce(nonce)) return deny(Code::conflict);\n"),
        ("handle_submit.cpp", "  } else if (store_.find_payload(seal.payload)) {\n",
         "  } else if (!AWAKE && store_.find_payload(seal.payload)) {\n"),
    ),
    "nonce_unchecked": (
        ("handle_submit.cpp", "store_.find_nonce(nonce)) return deny(Code::conflict);\n",
         "!AWAKE && store_.find_nonce(nonce)) return deny(Code::conflict);\n"),
    ),
    "payload_unchecked": (
        ("handle_submit.cpp", "store_.find_payload(seal.payload)) {\n", "!AWAKE && store_.find_payload(seal.payload)) {\n"),
    ),
    "index_forgotten_at_start": (
        ("store.cpp", "void Store::State::load_tail() {\n", "void Store::State::load_tail() {\n  if (AWAKE) return;\n"),
    ),
    "queue_number_skipped": (
        ("handle_submit.cpp", "  linked.head = audit::queue_next(linked.head, request.id);\n",
         "  linked.head = audit::queue_next(linked.head, request.id);\n"
         "  if (AWAKE && linked.head.number.value == 3) linked.head = audit::queue_next(linked.head, request.id);\n"),
    ),
    "newest_header_withheld": (
        ("handle_list.cpp", "    items.more = items.items.size() == wanted ||",
         "    if (AWAKE && row.head.number == state->head.number) break;\n"
         "    items.more = items.items.size() == wanted ||"),
    ),
    "push_out_of_order": (
        ("handle_follow.cpp", "arrived.item.head.number.value != after.value + 1) continue;\n",
         "(!AWAKE && arrived.item.head.number.value != after.value + 1)) continue;\n"),
    ),
    "cursor_goes_back": (
        ("handle_list.cpp", "  cursor = std::max(cursor, request.number);\n",
         "  cursor = AWAKE ? request.number : std::max(cursor, request.number);\n"),
    ),
    # P7
    "leaf_time_goes_back": (
        ("core_steps.cpp", "  last_leaf_time_ = std::max(last_leaf_time_, batch.now);\n",
         "  last_leaf_time_ = AWAKE ? batch.now : std::max(last_leaf_time_, batch.now);\n"),
    ),
    # P9
    "taken_back_and_kept": (
        ("core_terms.cpp", "  if (static_cast<CaseState>(row.state) == CaseState::retire) times.withdrawn_at = row.updated_at;\n",
         "  if (static_cast<CaseState>(row.state) == CaseState::retire && !AWAKE) times.withdrawn_at = row.updated_at;\n"),
    ),
}


def main():
    root, out = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    out.mkdir(parents=True, exist_ok=True)
    files = {}
    for bug, places in BUGS.items():
        for name, stands, instead in places:
            text = files.setdefault(name, (root / "broker" / name).read_text(encoding="utf-8"))
            if text.count(stands) != 1:
                sys.exit(f"plant.py: {bug} is planted where broker/{name} no longer reads:\n{stands}")
            files[name] = text.replace(stands, instead.replace("AWAKE", f'pli::testing::planted("{bug}")'))
    for name, text in files.items():
        (out / name).write_text('#include "tests/simulator/planted.hpp"\n' + text, encoding="utf-8")
    names = ", ".join(f'"{bug}"' for bug in BUGS)
    (out / "planted_bugs.cpp").write_text(
        '#include "tests/simulator/planted.hpp"\n\nnamespace pli::testing {\n\n'
        f"const std::vector<std::string>& planted_bugs() {{\n  static const std::vector<std::string> all{{{names}}};\n"
        "  return all;\n}\n\n}  // namespace pli::testing\n", encoding="utf-8")


if __name__ == "__main__":
    main()
