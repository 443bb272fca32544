#include <algorithm>
#include <map>

#include "audit/inclusion.hpp"
#include "protocol/limits.hpp"
#include "tests/broker/core_fixture.hpp"

namespace pli::testing {
namespace {

using namespace std::chrono_literals;

class DirectoryVerbs : public CoreTest {
 protected:
  struct Seen {
    std::multimap<std::string, protocol::Entry> entries;  ///< whose bytes came
    std::size_t unchanged = 0;
    std::string note;
  };
  /// Every page, each entry verified against the note's root.
  Seen fetch(const std::string& member, DirectoryNumber known = {}) {
    Seen seen;
    std::uint64_t after = 0;
    while (true) {
      const auto reply = house.ask(member, protocol::GetDirectory{known, after});
      const auto* page = std::get_if<protocol::DirectoryPage>(&reply);
      if (page == nullptr) {
        ADD_FAILURE() << refusal_in(reply);
        return seen;
      }
      seen.note = page->note;
      const auto head = department.directory()->verified()->head();
      const audit::Receipt leaf = verified(page->leaf);
      EXPECT_TRUE(leaf.leaf.directory.has_value());
      EXPECT_EQ(leaf.leaf.directory->digest, department.directory()->verified()->digest());
      for (const protocol::DirectoryItem& item : page->items) {
        EXPECT_GE(item.position, after);
        if (item.entry.empty()) {
          ++seen.unchanged;
          continue;
        }
        EXPECT_TRUE(audit::verify_inclusion(head.root, {head.entries}, {item.position},
                                            audit::leaf_hash(protocol::entry_commitment(item.entry)), item.proof));
        const auto entry = protocol::decode_entry(item.entry);
        EXPECT_TRUE(entry.has_value());
        seen.entries.emplace(entry->id, *entry);
      }
      if (!page->more) return seen;
      after = page->next;
    }
  }
};

TEST_F(DirectoryVerbs, ShowEachMemberWithProofsOnlyWhatItMaySee) {
  const Seen referent = fetch("referent.auxerre");
  EXPECT_EQ(referent.note, department.directory()->verified()->note());
  EXPECT_TRUE(referent.entries.count("referent.auxerre"));
  EXPECT_TRUE(referent.entries.count("ged/89"));
  EXPECT_TRUE(referent.entries.count("maire.auxerre"));
  EXPECT_FALSE(referent.entries.count("ged.1"));
  EXPECT_FALSE(referent.entries.count("referent.sens"));
  const Seen member = fetch("ged.1");
  EXPECT_TRUE(member.entries.count("ged.2"));
  EXPECT_FALSE(member.entries.count("clir.1"));
  const Seen auditor = fetch("auditeur");
  EXPECT_EQ(auditor.entries.size(), department.directory()->entries().size());
}

TEST_F(DirectoryVerbs, SendWhatIsUnchangedWithoutItsBytes) {
  ASSERT_EQ(refusal_in(publish(department.enrol("ged.neuf", "service-9", {protocol::Role::membre_ged}, {"ged/89"}))),
            "");
  const Seen later = fetch("ged.1", {1});
  EXPECT_EQ(later.entries.size(), 2U);  // the newcomer, and the queue whose roster he joined
  EXPECT_TRUE(later.entries.count("ged.neuf"));
  EXPECT_TRUE(later.entries.count("ged/89"));
  EXPECT_GT(later.unchanged, 0U);
  EXPECT_EQ(fetch("ged.1", {2}).entries.size(), 0U);
}

TEST_F(DirectoryVerbs, SendEverythingToWhoseOwnRightsChanged) {
  ASSERT_EQ(refusal_in(publish(department.renew("ged.1"))), "");
  EXPECT_EQ(fetch("ged.1", {1}).unchanged, 0U);
}

TEST_F(DirectoryVerbs, AVersionIsALeafBeforeItRules) {
  const Sealed sealed_before = department.seal({});
  const auto reply = publish(department.enrol("ged.neuf", "service-9", {protocol::Role::membre_ged}, {"ged/89"}));
  const auto& published = std::get<protocol::Published>(reply);
  EXPECT_EQ(published.number.value, 2U);
  const audit::Receipt receipt = verified(published.proof);
  EXPECT_EQ(receipt.leaf.type, audit::LeafType::habilitation);
  EXPECT_EQ(receipt.leaf.directory->number.value, 2U);
  EXPECT_EQ(receipt.leaf.directory->digest, department.directory()->verified()->digest());
  EXPECT_EQ(last_line().text("actor"), "operateur");
  EXPECT_EQ(house.core().directory()->number().value, 2U);
  EXPECT_EQ(refusal_in(submit(sealed_before)), "STALE_DIRECTORY");
  EXPECT_EQ(refusal_in(house.ask("ged.neuf", protocol::Hello{})), "");
  house.restart();
  EXPECT_EQ(house.core().directory()->number().value, 2U);
  EXPECT_EQ(refusal_in(house.ask("ged.neuf", protocol::Hello{})), "");
  expect_whole();
}

TEST_F(DirectoryVerbs, RuleFromTheNextRequestOfTheSameBatch) {
  const broker::VerifiedPublish version = department.revoke("ged.1", house.now);
  std::vector<broker::VerifiedRequest> batch;
  batch.push_back(house.request("ged.1", protocol::GetCheckpoint{}));
  batch.push_back(house.request("operateur", version));
  batch.push_back(house.request("ged.1", protocol::GetCheckpoint{}));
  const auto outcome = house.apply(std::move(batch));
  ASSERT_TRUE(outcome.has_value());
  EXPECT_EQ(refusal_in(outcome->outgoing[0].reply.body), "");
  EXPECT_EQ(refusal_in(outcome->outgoing[1].reply.body), "");
  EXPECT_EQ(refusal_in(outcome->outgoing[2].reply.body), "REVOKED");
  ASSERT_TRUE(outcome->new_directory);
  EXPECT_EQ(outcome->new_directory->number().value, 2U);
}

TEST_F(DirectoryVerbs, TheVersionInForceIsProvenAgainAndMakesNoSecondLeaf) {
  const broker::VerifiedPublish version = department.revoke("ged.1", house.now);
  const auto first = publish(version);
  const TreeSize size = house.store().tree_size();
  const auto again = publish(version);
  ASSERT_EQ(refusal_in(again), "");
  EXPECT_EQ(std::get<protocol::Published>(again).proof.index, std::get<protocol::Published>(first).proof.index);
  EXPECT_EQ(house.store().tree_size(), size);
}

TEST_F(DirectoryVerbs, RefuseWhatDoesNotFollow) {
  const auto& entries = department.directory()->entries();
  const Digest current = department.directory()->verified()->digest();
  const UnixMillis term = house.now + std::chrono::hours(24 * 20);
  const auto version = [&](std::uint64_t number, const Digest& previous, UnixMillis not_after, std::size_t signers) {
    return department.sign_version(entries, {number}, previous, not_after, signers);
  };
  EXPECT_EQ(refusal_in(publish(version(3, current, term, 2))), "CONFLICT");
  EXPECT_EQ(refusal_in(publish(version(2, Digest{1}, term, 2))), "CONFLICT");
  EXPECT_EQ(refusal_in(publish(version(2, current, term, 1))), "BAD_SIGNATURE");
  EXPECT_EQ(refusal_in(publish(version(2, current, house.now, 2))), "INVALID(not_after)");
  EXPECT_EQ(refusal_in(publish(version(2, current, house.now + std::chrono::hours(24 * 31), 2))), "INVALID(not_after)");
  // Signed well, carried badly: whichever entry is left behind, signing again would not help.
  const broker::VerifiedPublish whole = department.revoke("ged.1", house.now);
  ASSERT_EQ(whole.changed.size(), 2U);  // the member, and the queue whose roster he left
  for (std::size_t at = 0; at < whole.changed.size(); ++at) {
    broker::VerifiedPublish incomplete = whole;
    incomplete.changed.erase(incomplete.changed.begin() + static_cast<std::ptrdiff_t>(at));
    EXPECT_EQ(refusal_in(publish(incomplete)), "INVALID(bundle)") << at;
  }
  broker::VerifiedPublish empty = whole;
  empty.changed.clear();  // the old entries make a directory, but not the one signed
  EXPECT_EQ(refusal_in(publish(empty)), "INVALID(bundle)");
  broker::VerifiedPublish garbled = department.revoke("ged.2", house.now);
  garbled.changed = {Bytes(20, 1)};
  EXPECT_NE(refusal_in(publish(garbled)), "");
  EXPECT_EQ(house.core().directory()->number().value, 1U);
  expect_whole();
}

/// The note with one more signature line, of nobody, so that it is this long.
std::string with_junk_signature(std::string note, std::size_t size) {
  const std::string before = "\xE2\x80\x94 ";
  std::size_t base64 = (size - note.size() - before.size() - 3) / 4 * 4;
  const std::size_t name = size - note.size() - before.size() - 2 - base64;
  note += before + std::string(name, 'x') + " " + std::string(base64, 'A') + "\n";
  return note;
}

TEST_F(DirectoryVerbs, ANoteIsNoLongerThanEveryPageCanHold) {
  broker::VerifiedPublish version = department.revoke("ged.1", house.now);
  const std::string signed_note = version.note;
  version.note = with_junk_signature(signed_note, protocol::directory_note_bytes_max + 1);
  ASSERT_EQ(version.note.size(), protocol::directory_note_bytes_max + 1);
  EXPECT_EQ(refusal_in(publish(version)), "TOO_LARGE(note)");
  version.note = with_junk_signature(signed_note, protocol::directory_note_bytes_max);
  ASSERT_EQ(version.note.size(), protocol::directory_note_bytes_max);
  ASSERT_EQ(refusal_in(publish(version)), "");
  std::uint64_t after = 0;
  while (true) {
    const auto reply = house.ask("auditeur", protocol::GetDirectory{{}, after});
    const Bytes message = protocol::encode(protocol::Reply{1, reply});
    EXPECT_LE(message.size(), protocol::message_bytes_max);
    ASSERT_TRUE(protocol::decode_reply(message).has_value());
    const auto& page = std::get<protocol::DirectoryPage>(reply);
    if (!page.more) break;
    after = page.next;
  }
  // With the longest entry, the longest path and the longest note of its own log a page still is one message.
  protocol::DirectoryPage worst;
  worst.note = version.note;
  worst.items = {{1, Bytes(protocol::entry_bytes_max), std::vector<Digest>(18)}};  // 200,000 entries
  worst.leaf.leaf = std::string(1024, 'x');
  worst.leaf.disclosure = Bytes(1024);
  worst.leaf.proof.resize(48);
  worst.leaf.checkpoint = std::string(1024, 'x');
  EXPECT_LE(protocol::encode(protocol::Reply{1, worst}).size(), protocol::message_bytes_max);
}

TEST_F(DirectoryVerbs, NoAuditorCarriesOne) {
  EXPECT_EQ(refusal_in(house.ask("auditeur", department.revoke("ged.2", house.now))), "FORBIDDEN(interdit.auditeur)");
  EXPECT_EQ(house.core().directory()->number().value, 1U);
}

TEST_F(DirectoryVerbs, LookThroughABoundedNumberOfEntriesForEachPage) {
  DepartmentOptions options;
  options.strangers = 2 * protocol::entries_scanned_max;
  const Department large(options);
  BrokerHouse other(large);
  std::uint64_t after = 0;
  std::size_t pages = 0;
  std::size_t empty = 0;
  bool own = false;
  while (true) {
    const auto reply = other.ask("outil.transport", protocol::GetDirectory{{}, after});
    const auto& page = std::get<protocol::DirectoryPage>(reply);
    EXPECT_TRUE(protocol::decode_reply(protocol::encode(protocol::Reply{1, page})).has_value());
    for (const protocol::DirectoryItem& item : page.items)
      own = own || protocol::decode_entry(item.entry)->id == "outil.transport";
    ++pages;
    if (page.items.empty()) ++empty;
    if (!page.more) break;
    EXPECT_EQ(page.next, pages * protocol::entries_scanned_max);
    after = page.next;
  }
  EXPECT_EQ(pages, large.directory()->entries().size() / protocol::entries_scanned_max + 1);
  EXPECT_GT(empty, 0U);
  EXPECT_TRUE(own);
}

TEST_F(DirectoryVerbs, PagesFitTheirMessage) {
  DepartmentOptions options;
  options.senders = 300;
  const Department large(options);
  BrokerHouse other(large);
  std::uint64_t after = 0;
  std::size_t pages = 0;
  std::size_t entries = 0;
  while (true) {
    const auto reply = other.ask("auditeur", protocol::GetDirectory{{}, after});
    const auto& page = std::get<protocol::DirectoryPage>(reply);
    EXPECT_LE(protocol::encode(protocol::Reply{1, page}).size(), protocol::message_bytes_max);
    entries += page.items.size();
    ++pages;
    if (!page.more) break;
    EXPECT_EQ(page.next, page.items.back().position + 1);  // an auditor is shown every entry
    after = page.next;
  }
  EXPECT_EQ(entries, large.directory()->entries().size());
  EXPECT_GT(pages, 2U);
}

}  // namespace
}  // namespace pli::testing
