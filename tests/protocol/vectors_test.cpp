// docs/protocol.md against the code: every value and every table printed there, and nothing else, is what we compute.
// Where a value holds random bytes (tests/protocol/vectors/exchange.txt), it is opened instead, as a reader would.
#include <fstream>
#include <iterator>
#include <map>
#include <set>

#include "audit/export_folder.hpp"
#include "audit/proof_file.hpp"
#include "crypto/age_open.hpp"
#include "crypto/base64.hpp"
#include "crypto/grant.hpp"
#include "crypto/hash.hpp"
#include "crypto/header_unlock.hpp"
#include "crypto/statement.hpp"
#include "protocol/card.hpp"
#include "protocol/deadlines.hpp"
#include "protocol/error_catalogue.hpp"
#include "protocol/limits.hpp"
#include "protocol/policy.hpp"
#include "protocol/seances.hpp"
#include "protocol/shard_order.hpp"
#include "tests/protocol/support.hpp"

namespace pli::protocol {
namespace {

using test::filled;

using Named = std::map<std::string, std::string>;

std::vector<std::string> lines_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file) << path;
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

const std::vector<std::string>& document() {
  static const std::vector<std::string> lines = lines_of(PLI_SOURCE_DIR "/docs/protocol.md");
  return lines;
}

/// "name = value" lines of the blocks marked `vectors`; a line that begins with a space goes on with the value.
Named printed_values() {
  Named out;
  bool inside = false;
  std::string name;
  for (const std::string& line : document()) {
    if (line.substr(0, 3) == "```") {
      inside = line == "```vectors";
    } else if (inside && line.substr(0, 1) == " ") {
      out[name] += line.substr(line.find_first_not_of(' '));
    } else if (inside) {
      const std::size_t equals = line.find(" =");
      if (equals == std::string::npos) {
        ADD_FAILURE() << "not a vector: " << line;
        continue;
      }
      name = line.substr(0, equals);
      EXPECT_EQ(out.count(name), 0U) << name << " stands twice";
      out[name] = line.size() > equals + 3 ? line.substr(equals + 3) : "";
    }
  }
  return out;
}

/// The blocks marked `text NAME`, verbatim.
Named printed_texts() {
  Named out;
  std::string name;
  for (const std::string& line : document()) {
    if (line.substr(0, 3) == "```") {
      name = line.substr(0, 8) == "```text " ? line.substr(8) : "";
      if (!name.empty()) out[name] = "";
    } else if (!name.empty()) {
      out[name] += line + "\n";
    }
  }
  return out;
}

/// The rows of the table in the section under `heading`: cells without their spaces.
std::vector<std::vector<std::string>> table_under(const std::string& heading) {
  std::vector<std::vector<std::string>> rows;
  bool inside = false;
  for (const std::string& line : document()) {
    if (line.substr(0, 1) == "#") inside = line == heading;
    if (!inside || line.substr(0, 2) != "| " || line.find("|---") == 0) continue;
    std::vector<std::string> cells;
    for (std::size_t at = 1; at < line.size();) {
      const std::size_t end = line.find('|', at);
      if (end == std::string::npos) break;
      std::string cell = line.substr(at, end - at);
      cell.erase(0, std::min(cell.find_first_not_of(' '), cell.size()));
      cell.erase(cell.find_last_not_of(' ') + 1);
      cells.push_back(cell);
      at = end + 1;
    }
    rows.push_back(cells);
  }
  EXPECT_GT(rows.size(), 1U) << heading;
  if (!rows.empty()) rows.erase(rows.begin());  // its head
  return rows;
}

/// Every word between backquotes.
std::vector<std::string> words_in_quotes(const std::string& cell) {
  std::vector<std::string> out;
  for (std::size_t at = cell.find('`'); at != std::string::npos; at = cell.find('`', at)) {
    const std::size_t end = cell.find('`', at + 1);
    if (end == std::string::npos) break;
    out.push_back(cell.substr(at + 1, end - at - 1));
    at = end + 1;
  }
  return out;
}

std::string in_quotes(std::string_view word) { return "`" + std::string(word) + "`"; }

// ---- the example -------------------------------------------------------------------------------------------------

template <std::size_t N>
ByteArray<N> counted(std::uint8_t from) {
  ByteArray<N> out{};
  for (std::size_t i = 0; i < N; ++i) out[i] = static_cast<std::uint8_t>(from + i);
  return out;
}

const crypto::Identity& author() {
  static const auto identity = crypto::Identity::from_seed(crypto::SecretKey::copy_of(counted<32>(0)));
  return identity;
}
const crypto::Identity& reader() {
  static const auto identity = crypto::Identity::from_seed(crypto::SecretKey::copy_of(filled<32>(2)));
  return identity;
}
crypto::ReleaseKey release_key() { return crypto::ReleaseKey(counted<32>(0x40)); }
crypto::FileKey file_key() { return crypto::FileKey(counted<16>(0)); }
crypto::BoxPair broker_release() { return crypto::BoxPair::from_secret(crypto::SecretKey::copy_of(filled<32>(0x11))); }
crypto::BoxPair session() { return crypto::BoxPair::from_secret(crypto::SecretKey::copy_of(filled<32>(0x22))); }
constexpr UnixMillis noon{1'767'225'600'000};

test::World example_world() {
  test::World world;
  world.contract.id = "csi-yonne";
  world.contract.title = "Contrat (exemple)";
  world.contract.parties = {"Valbrune"};
  world.contract.territory = "89";
  world.contract.starts = {1'700'000'000'000};
  world.contract.ends = {1'900'000'000'000};
  world.contract.engagements = {"retour 30"};
  world.add_queue("ged/89");
  world.add_queue("org/210890240", "210890240");
  Member& sender = world.add_member("m.durand", Role::referent, {"org/210890240"}, 0);
  sender.keys = author().public_identity();
  Member& member = world.add_member("g.petit", Role::membre_ged, {"ged/89"}, 0);
  member.organisation = "gendarmerie";
  member.territory = "89";
  member.keys = reader().public_identity();
  world.fill_rosters();
  return world;
}

DirectoryHead example_head() {
  const auto directory = Directory::build(example_world().entries());
  EXPECT_TRUE(directory) << test::failure(directory);
  DirectoryHead head;
  head.contract = "csi-yonne";
  head.number = {1};
  head.not_after = noon + std::chrono::hours(24 * 30);
  head.threshold = 2;
  head.authorities = test::authorities(2, {1, 2, 3}).keys;
  head.entries = (*directory)->entries().size();
  head.root = (*directory)->root();
  return head;
}

Address example_address() {
  Address address;
  address.contract = "csi-yonne";
  address.log = "pli.example/pli/89";
  address.kind = static_cast<std::uint16_t>(Kind::signalement_individuel);
  address.sender = "m.durand";
  address.sender_key = author().public_identity().sign;
  address.queue = "ged/89";
  address.handling = {"ged-only"};
  address.directory = {1};
  address.roster = roster_digest(example_world().queue("ged/89"));
  address.created_at = noon;
  address.nonce = filled<16>(5);
  return address;
}

Plaintext example_plaintext() {
  Plaintext plaintext;
  plaintext.address = encode(example_address());
  plaintext.content = to_bytes("contenu");
  return plaintext;
}

/// The parts with random bytes in them: locked and payload from tests/protocol/vectors/exchange.txt, share and grant as
/// the document prints them.
Bytes part(const std::string& name) {
  static const Named all = [] {
    const Named printed = printed_values();
    Named out = {{"share", printed.at("share")}, {"grant", printed.at("grant")}};
    for (const std::string& line : lines_of(PLI_SOURCE_DIR "/tests/protocol/vectors/exchange.txt"))
      out[line.substr(0, line.find(' '))] = line.substr(line.find(' ') + 1);
    return out;
  }();
  const auto found = all.find(name);
  const auto bytes = found == all.end() ? std::nullopt : from_hex(found->second);
  EXPECT_TRUE(bytes) << "no part " << name;
  return bytes.value_or(Bytes{});
}

Seal example_seal() {
  Seal seal;
  seal.locked_size = part("locked").size();
  seal.locked = crypto::sha256(part("locked"));
  seal.payload_size = part("payload").size();
  seal.payload = crypto::sha256(part("payload"));
  seal.release_commitment = crypto::release_commitment(address_digest(encode(example_address())), release_key());
  seal.file_key_commitment = crypto::file_key_commitment(file_key());
  return seal;
}

ExchangeId example_id() { return exchange_id(encode(example_address()), encode(example_seal())); }

crypto::LockBinding example_binding() {
  return {address_digest(encode(example_address())), crypto::sha256(part("payload"))};
}

Release example_release() {
  Release release;
  release.shares = {{"broker", 202601, session().public_key(), *to_array<73>(part("share"))}};
  return release;
}

OpeningRequest example_opening() {
  OpeningRequest request;
  request.log = "pli.example/pli/89";
  request.exchange = example_id();
  request.opener = "g.petit";
  request.opener_key = reader().public_identity().sign;
  request.directory = {1};
  request.motif = static_cast<std::uint8_t>(Motif::evaluation);
  request.session = session().public_key();
  request.created_at = noon + std::chrono::minutes(1);
  request.nonce = filled<16>(6);
  return request;
}

audit::Record example_record() {
  audit::Record record;
  record.seed = counted<32>(0);
  record.add("act", "submit");
  record.add("queue", "ged/89");
  return record;
}

audit::Leaf example_leaf() {
  audit::Leaf leaf;
  leaf.type = audit::LeafType::collecte;
  leaf.time = noon + std::chrono::milliseconds(500);
  leaf.record = audit::record_digest(example_record());
  return leaf;
}

const audit::ExportPeriod example_period{LeafIndex{0}, TreeSize{1}, noon, noon + std::chrono::hours(24)};

Bytes example_export_records() {
  Bytes records = to_bytes(audit::export_records_first_line);
  append(records, audit::encode(audit::ExportRecord{LeafIndex{0}, audit::disclose(example_record(), {"act"})}));
  return records;
}

std::string example_receipt() {
  const auto log_key = crypto::SigningKey::from_seed(filled<32>(1));
  const Digest root = audit::leaf_hash(as_bytes(audit::encode(example_leaf())));
  const std::string checkpoint = audit::sign_checkpoint({"pli.example/pli/89/2026-1", {1}, root}, log_key);
  return audit::to_text(
      audit::Receipt{example_leaf(), audit::disclose(example_record(), {"act"}), {0}, {}, checkpoint});
}

RollbackOrder example_order() {
  RollbackOrder order;
  order.contract = "csi-yonne";
  order.log = "pli.example/pli/89";
  order.closes = "pli.example/pli/89/2026-1";
  order.last = {{1234}, filled<32>(0x5A)};
  order.restored = {{1200}, filled<32>(0x3C)};
  order.opens = "pli.example/pli/89/2026-2";
  order.created = noon;
  return order;
}

RollbackRequest example_request() { return {example_order(), noon - std::chrono::hours(12)}; }

audit::Leaf example_first_leaf() {
  audit::Leaf leaf = example_leaf();
  leaf.type = audit::LeafType::registre;
  leaf.directory = audit::DirectoryReference{{1}, directory_digest(to_text(example_head()))};
  leaf.statement =
      to_text(ShardOpening{example_order().closes, example_order().restored,
                           ShardOpening::Lost{example_order().last, order_digest(to_text(example_order()))}});
  return leaf;
}

std::string sign_example_order() {
  audit::Note note{to_text(example_order()), {}};
  for (const std::uint8_t seed : std::vector<std::uint8_t>{1, 3})
    audit::sign_note(note, test::authority(seed).name, test::authority_key(seed));
  return audit::to_text(note);
}

Invitation example_invitation() {
  Invitation invitation;
  invitation.contract = "csi-yonne";
  invitation.member = "m.durand";
  invitation.log = "pli.example/pli/89";
  invitation.log_key = crypto::SigningKey::from_seed(filled<32>(1)).public_key();
  invitation.endpoint = "tcp://pli.example:7777";
  invitation.broker.bytes = crypto::x25519_public(crypto::SecretKey::copy_of(filled<32>(0x33)));
  invitation.authorities = test::authorities(2, {1, 2, 3});
  invitation.directory = {1};
  return invitation;
}

Invitation witnessed_invitation() {
  Invitation invitation = example_invitation();
  for (const int number : {1, 2}) {
    const std::string name = "w" + std::to_string(number);
    const auto seed = static_cast<std::uint8_t>(2 * number);
    const audit::VerifierKey key{"witness.example/" + name, audit::KeyType::cosignature,
                                 crypto::SigningKey::from_seed(filled<32>(seed)).public_key()};
    invitation.witnesses += "witness " + name + " " + audit::to_text(key) + "\n";
  }
  invitation.witnesses += "group two all w1 w2\nquorum two\n";
  return invitation;
}

crypto::Signature signature_of(const crypto::Identity& signer, crypto::StatementName name, const Bytes& bytes) {
  return crypto::sign_statement(signer.signing_key(), name, bytes);
}

Bytes joined(Bytes first, const Bytes& second) {
  append(first, second);
  return first;
}

Named computed_values() {
  Named out;
  const auto put = [&](const char* name, ByteView bytes) { out[name] = to_hex(bytes); };
  const auto put_public = [&](const std::string& name, const crypto::Identity& identity) {
    out[name + ".curve"] = to_hex(identity.public_identity().curve.bytes);
    out[name + ".sign"] = to_hex(identity.public_identity().sign.bytes);
    out[name + ".age"] = to_hex(identity.public_identity().age.bytes);
  };
  put_public("author", author());
  put("author.witness", author().witness_key().public_key().bytes);
  put("author.links", author().links_key().expose());
  put_public("reader", reader());

  const Bytes address = encode(example_address());
  const Bytes seal = encode(example_seal());
  put("address", address);
  put("address.digest", address_digest(address));
  put("release.commitment", example_seal().release_commitment);
  put("filekey.commitment", example_seal().file_key_commitment);
  put("seal", seal);
  put("exchange.id", example_id());
  put("exchange.signature", signature_of(author(), crypto::StatementName::exchange, joined(address, seal)));
  put("lock.ad", crypto::lock_associated_data(example_binding()));
  std::string buckets;
  for (std::size_t size : {0U, 1020U, 1021U, 5000U, 100'000U})
    buckets += (buckets.empty() ? "" : " ") + std::to_string(bucket_for(Kind::signalement_individuel, size));
  out["padding.buckets"] = buckets;
  put("plaintext", encode(example_plaintext()));

  put("broker.release_key", broker_release().public_key().bytes);
  put("session.key", session().public_key().bytes);
  put("share", part("share"));  // opened below
  put("grant", part("grant"));
  put("release", encode(example_release()));

  const Bytes opening = encode(example_opening());
  put("opening", opening);
  put("opening.id", opening_id(opening));
  put("opening.signature", signature_of(reader(), crypto::StatementName::open, opening));

  const test::World world = example_world();
  const auto directory = Directory::build(world.entries());
  const auto entry = [&](EntryType type, const char* id) {
    return (*directory)->entry_bytes((*directory)->position_of(type, id).value_or(0));
  };
  put("entry.member", entry(EntryType::member, "g.petit"));
  put("entry.member.commitment", entry_commitment(entry(EntryType::member, "g.petit")));
  put("entry.queue", entry(EntryType::queue, "ged/89"));
  Contract contract = example_world().contract;
  contract.parties = {"Préfecture", "210890240 Valbrune"};
  contract.communes = {"89024", "89387"};
  contract.engagements = {"decision 120"};
  contract.volets = {Volet::radicalisation_separatisme, Volet::transport};
  contract.referents = {"Mme Inventée, 03 00 00 00 00"};
  put("entry.contract", encode(write_contract(contract, filled<16>(1))));
  const Tool tool{"outil.transport",
                  Volet::transport,
                  {Kind::information_de_volet, Kind::complement},
                  {"ged/89"},
                  {"org/210890240"}};
  put("entry.tool", encode(write_tool(tool, filled<16>(4))));
  Queue sitting = *(*directory)->queue("ged/89");
  sitting.seances =
      SeanceCalendar{*parse_day("2026-12-03"), 15, {*parse_day("2026-12-22")}, {*parse_day("2027-01-02")}};
  put("entry.seances", encode(write_queue(sitting, filled<16>(2))));
  put("roster.digest", roster_digest(*(*directory)->queue("ged/89")));
  put("directory.root", (*directory)->root());
  put("directory.digest", directory_digest(to_text(example_head())));

  out["card.fingerprint"] = fingerprint(to_text(make_card(author(), noon, nullptr)));
  out["invitation.fingerprint"] = fingerprint(to_text(example_invitation()));
  out["invitation.witnessed.fingerprint"] = fingerprint(to_text(witnessed_invitation()));

  put("record", audit::encode(example_record()));
  put("record.digest", audit::record_digest(example_record()));
  put("disclosure", audit::encode(audit::disclose(example_record(), {"act"})));
  put("leaf.hash", audit::leaf_hash(as_bytes(audit::encode(example_leaf()))));
  put("order.digest", order_digest(to_text(example_order())));
  put("export.records", example_export_records());
  const audit::QueueHead start = audit::queue_start("pli.example/pli/89", "ged/89");
  put("queue.start", start.head);
  put("queue.first", audit::queue_next(start, example_id()).head);
  return out;
}

Named computed_texts() {
  return {{"directory-note", test::sign_directory(example_head(), {1, 3})},
          {"card", to_text(make_card(author(), noon, nullptr))},
          {"invitation", to_text(example_invitation())},
          {"invitation-with-witnesses", to_text(witnessed_invitation())},
          {"leaf", audit::encode(example_leaf())},
          {"first-leaf", audit::encode(example_first_leaf())},
          {"rollback-order", sign_example_order()},
          {"rollback-request", to_text(example_request())},
          {"receipt", example_receipt()},
          {"period", audit::to_text(example_period)}};
}

void expect_same(const Named& printed, const Named& computed) {
  for (const auto& [name, value] : computed) {
    const auto found = printed.find(name);
    if (found == printed.end())
      ADD_FAILURE() << name << " is missing from docs/protocol.md; it is\n" << value;
    else
      EXPECT_EQ(found->second, value) << name;
  }
  for (const auto& [name, value] : printed) EXPECT_EQ(computed.count(name), 1U) << "nothing computes " << name;
}

TEST(ProtocolDocument, PrintsTheValuesWeCompute) { expect_same(printed_values(), computed_values()); }

TEST(ProtocolDocument, PrintsTheTextsWeWrite) { expect_same(printed_texts(), computed_texts()); }

// ---- the example, as its reader and the broker meet it -----------------------------------------------------------

TEST(ProtocolExample, OpensForItsReaderAndIsWhatItsSealPromises) {
  const auto header = crypto::opening::unlock_header(part("locked"), release_key(), example_binding());
  ASSERT_TRUE(header);
  const auto shape = crypto::opening::header_shape(*header);
  ASSERT_TRUE(shape);
  EXPECT_EQ(shape->x25519_stanzas, 1U);
  EXPECT_TRUE(shape->only_x25519);
  const crypto::SecretKey& secret = reader().age_secret();
  const auto key = crypto::opening::unwrap_file_key(*header, {{&secret, 1}, nullptr});
  ASSERT_TRUE(key);
  EXPECT_TRUE(equal(key->expose(), file_key().expose()));

  const auto padded = crypto::opening::open_payload(*key, part("payload"));
  ASSERT_TRUE(padded);
  EXPECT_EQ(padded->size(), 1024U);
  const auto unpadded = crypto::unpad(*padded);
  ASSERT_TRUE(unpadded);
  const auto plaintext = decode_plaintext(*unpadded);
  ASSERT_TRUE(plaintext);
  EXPECT_EQ(*plaintext, example_plaintext());

  // Joined again it is a plain age file.
  const auto file = crypto::opening::open_bytes(joined(*header, part("payload")), {{&secret, 1}, nullptr});
  ASSERT_TRUE(file);
  EXPECT_EQ(*file, *padded);
}

TEST(ProtocolExample, HandsItsReleaseKeyToTheBrokerAndBackToTheSession) {
  const auto brokers_side = broker_release().shared_with(session().public_key());
  ASSERT_TRUE(brokers_side);
  const auto released = crypto::open_share(*to_array<73>(part("share")), *brokers_side);
  ASSERT_TRUE(released);
  EXPECT_TRUE(equal(released->expose(), release_key().expose()));
  const auto members_side = session().shared_with(broker_release().public_key());
  ASSERT_TRUE(members_side);
  const auto granted = crypto::opening::open_grant(*to_array<73>(part("grant")), *members_side);
  ASSERT_TRUE(granted);
  EXPECT_TRUE(equal(granted->expose(), release_key().expose()));
}

TEST(ProtocolExample, IsAcceptedByEveryReaderOfItsLayouts) {
  EXPECT_TRUE(decode_address(encode(example_address())));
  EXPECT_TRUE(decode_seal(encode(example_seal())));
  EXPECT_TRUE(decode_release(encode(example_release())));
  EXPECT_TRUE(decode_opening_request(encode(example_opening())));
  EXPECT_TRUE(
      verify_directory_note(test::sign_directory(example_head(), {1, 3}), test::authorities(2, {1, 2, 3}), nullptr));
  EXPECT_TRUE(parse_card(to_text(make_card(author(), noon, nullptr))));
  EXPECT_TRUE(parse_invitation(to_text(example_invitation())));
  EXPECT_TRUE(parse_invitation(to_text(witnessed_invitation())));
  const audit::VerifierKey log_key{"pli.example/pli/89/2026-1", audit::KeyType::ed25519, example_invitation().log_key};
  const auto receipt = audit::parse_receipt(example_receipt());
  ASSERT_TRUE(receipt);
  EXPECT_TRUE(audit::verify_receipt(*receipt, log_key));

  EXPECT_TRUE(parse_rollback_request(to_text(example_request())));
  const TreeMark closed = example_order().restored;
  const TreeMark last = example_order().last;
  const ShardChange change{{example_order().closes, closed.size, closed.root},
                           audit::TreeHead{example_order().closes, last.size, last.root},
                           sign_example_order(),
                           example_first_leaf(),
                           example_order().opens};
  EXPECT_TRUE(verify_shard_change(change, "csi-yonne", "pli.example/pli/89", test::authorities(2, {1, 2, 3})));
}

// ---- the tables --------------------------------------------------------------------------------------------------

TEST(ProtocolDocument, ListsTheKindsOfTheVocabulary) {
  const auto rows = table_under("### Kinds");
  ASSERT_EQ(rows.size(), kind_table().size());
  for (const auto& cells : rows) {
    ASSERT_EQ(cells.size(), 4U);
    const KindRow* row = row_of_number(static_cast<std::uint16_t>(std::stoi(cells[0])));
    ASSERT_NE(row, nullptr) << cells[0];
    EXPECT_EQ(cells[1], in_quotes(row->name));
    EXPECT_EQ(cells[2], row->opens_case ? "opens" : row->names_case ? "names" : "neither") << cells[1];
    EXPECT_EQ(cells[3], in_quotes(audit::text_of(row->act))) << cells[1];
  }
}

TEST(ProtocolDocument, ListsTheMotifsAndRolesOfTheVocabulary) {
  const auto rows = table_under("### Motifs");
  ASSERT_EQ(rows.size(), all_motifs().size());
  for (const auto& cells : rows) {
    const auto motif = motif_of_number(static_cast<std::uint8_t>(std::stoi(cells[0])));
    ASSERT_TRUE(motif);
    EXPECT_EQ(cells[1], in_quotes(text_of(*motif)));
  }
  std::string roles;
  bool inside = false;
  for (const std::string& line : document()) {
    if (line.substr(0, 1) == "#") inside = line == "### Roles";
    if (inside) roles += line;
  }
  std::vector<std::string> expected;
  for (std::size_t i = 0; i < role_count; ++i) expected.emplace_back(text_of(static_cast<Role>(i)));
  EXPECT_EQ(words_in_quotes(roles), expected);
}

TEST(ProtocolDocument, ListsTheErrorsOfTheCatalogue) {
  const auto rows = table_under("## Errors");
  std::size_t codes = 0;
  for (int number = 0; number < 256; ++number)
    if (code_of_number(static_cast<std::uint8_t>(number))) ++codes;
  ASSERT_EQ(rows.size(), codes);
  for (const auto& cells : rows) {
    const auto code = code_of_number(static_cast<std::uint8_t>(std::stoi(cells[0])));
    ASSERT_TRUE(code);
    EXPECT_EQ(cells[1], in_quotes(text_of(*code)));
  }
}

TEST(ProtocolDocument, ListsTheRulesOfThePolicy) {
  std::set<std::string> printed;
  for (const auto& cells : table_under("## Policy"))
    for (const std::string& id : words_in_quotes(cells[0])) EXPECT_TRUE(printed.insert(id).second) << id;
  std::set<std::string> held;
  for (const Rule& rule : rules()) held.insert(std::string(rule.id));
  EXPECT_EQ(printed, held);
}

TEST(ProtocolDocument, ListsTheLimitsOfTheCode) {
  const std::map<std::string, std::size_t> held = {
      {"message_bytes_max", message_bytes_max},
      {"message_frames_max", message_frames_max},
      {"transport_bytes_max", transport_bytes_max},
      {"inline_bytes_max", inline_bytes_max},
      {"chunk_bytes_max", chunk_bytes_max},
      {"list_items_max", list_items_max},
      {"list_bytes_max", list_bytes_max},
      {"directory_bytes_max", directory_bytes_max},
      {"case_rows_scanned_max", case_rows_scanned_max},
      {"entries_scanned_max", entries_scanned_max},
      {"records_items_max", records_items_max},
      {"records_bytes_max", records_bytes_max},
      {"refusal_subject_bytes_max", refusal_subject_bytes_max},
      {"proof_digests_max", proof_digests_max},
      {"checkpoint_bytes_max", checkpoint_bytes_max},
      {"order_bytes_max", order_bytes_max},
      {"exchange_bytes_max", exchange_bytes_max},
      {"recipients_max", recipients_max},
      {"address_bytes_max", address_bytes_max},
      {"handling_max", handling_max},
      {"attributes_max", attributes_max},
      {"release_shares_max", release_shares_max},
      {"gossip_heads_max", gossip_heads_max},
      {"locked_bytes_max", locked_bytes_max},
      {"opening_bytes_max", opening_bytes_max},
      {"note_text_bytes_max", note_text_bytes_max},
      {"sealed_note_bytes_max", sealed_note_bytes_max},
      {"access_parts_per_sender_max", access_parts_per_sender_max},
      {"access_parts_max", access_parts_max},
      {"transfers_chain_max", transfers_chain_max},
      {"case_transmissions_max", case_transmissions_max},
      {"directory_note_bytes_max", directory_note_bytes_max},
      {"directory_entries_max", directory_entries_max},
      {"entry_bytes_max", entry_bytes_max},
      {"entry_attributes_max", entry_attributes_max},
      {"authorities_max", authorities_max},
      {"directory_bundle_bytes_max", directory_bundle_bytes_max},
      {"suspension_bytes_max", suspension_bytes_max},
      {"contract_parties_max", contract_parties_max},
      {"contract_communes_max", contract_communes_max},
      {"contract_engagements_max", contract_engagements_max},
      {"contract_referents_max", contract_referents_max},
      {"charter_parties_min", charter_parties_min},
      {"charter_parties_max", charter_parties_max},
      {"tool_queues_max", tool_queues_max},
      {"in_flight_max", in_flight_max},
      {"connections_per_identity_max", connections_per_identity_max},
      {"handshakes_per_minute_max", handshakes_per_minute_max},
      {"refusals_per_minute_max", refusals_per_minute_max},
      {"bytes_per_day_max", bytes_per_day_max},
      {"acts_per_day_max", acts_per_day_max},
      {"spool_bytes_per_identity_max", spool_bytes_per_identity_max},
      {"spool_parts_per_identity_max", spool_parts_per_identity_max},
      {"chunk_credit", chunk_credit},
      {"follow_credit_max", follow_credit_max},
      {"follow_queues_max", follow_queues_max},
      {"follow_batch_headers_max", follow_batch_headers_max},
      {"batch_requests_max", batch_requests_max},
      {"gate_queue_max", gate_queue_max},
      {"card_bytes_max", card_bytes_max},
      {"invitation_bytes_max", invitation_bytes_max},
      {"receipt_bytes_max", receipt_bytes_max},
      {"form_bytes_max", form_bytes_max},
      {"attachments_max", attachments_max},
      {"attachment_name_bytes_max", attachment_name_bytes_max},
      {"media_type_bytes_max", media_type_bytes_max},
      {"free_text_chars_max", free_text_chars_max},
      {"line_chars_max", line_chars_max},
      {"form_brief_bytes_max", form_brief_bytes_max},
      {"form_facts_max", form_facts_max},
      {"form_persons_max", form_persons_max},
      {"nominative_persons_max", nominative_persons_max},
      {"nominative_facts_max", nominative_facts_max},
      {"engagement_days_max", engagement_days_max},
      {"seance_cadence_days_max", seance_cadence_days_max},
      {"seances_added_max", seances_added_max},
      {"seances_struck_max", seances_struck_max},
  };
  std::map<std::string, std::size_t> printed;
  for (const auto& cells : table_under("### Limits")) printed[words_in_quotes(cells[0]).at(0)] = std::stoull(cells[1]);
  EXPECT_EQ(printed, held);
  // None is left out of both: the names as these headers have them.
  std::set<std::string> limits_of_the_code;
  for (const char* header : {"limits.hpp", "deadlines.hpp", "seances.hpp"}) {
    std::ifstream file(std::string(PLI_SOURCE_DIR "/protocol/") + header);
    ASSERT_TRUE(file) << header;
    for (std::string line; std::getline(file, line);) {
      for (const std::string_view type :
           {"inline constexpr std::size_t ", "inline constexpr std::uint64_t ", "inline constexpr std::uint32_t "}) {
        if (!line.starts_with(type)) continue;
        const std::string name = line.substr(type.size(), line.find(' ', type.size()) - type.size());
        if (name.ends_with("_max")) limits_of_the_code.insert(name);
      }
    }
  }
  std::set<std::string> names;
  for (const auto& [name, value] : held)
    if (name.ends_with("_max")) names.insert(name);
  EXPECT_EQ(names, limits_of_the_code);
}

TEST(ProtocolDocument, ListsTheCausesOfAnAnomaly) {
  std::string all;
  for (const std::string& line : document()) all += line + "\n";
  for (std::string_view code : anomaly_codes()) EXPECT_NE(all.find(in_quotes(code)), std::string::npos) << code;
}

}  // namespace
}  // namespace pli::protocol
