// What the tests of this room share: seeded choices, strictness of a decoder, and a small département whose people
// and places are invented.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "crypto/identity.hpp"
#include "crypto/random.hpp"
#include "protocol/directory.hpp"
#include "protocol/exchange.hpp"
#include "protocol/opening_request.hpp"

namespace pli::protocol::test {

/// Random choices of a test. PLI_SEED repeats a run.
class Seeded {
 public:
  Seeded() {
    const char* given = std::getenv("PLI_SEED");
    seed_ = given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
    engine_.seed(seed_);
    std::printf("seed: PLI_SEED=%llu\n", static_cast<unsigned long long>(seed_));
  }
  std::size_t below(std::size_t bound) { return std::uniform_int_distribution<std::size_t>(0, bound - 1)(engine_); }
  template <std::size_t N>
  ByteArray<N> array() {
    ByteArray<N> out{};
    for (std::uint8_t& byte : out) byte = static_cast<std::uint8_t>(engine_());
    return out;
  }

 private:
  std::uint64_t seed_;
  std::mt19937_64 engine_;
};

template <std::size_t N>
ByteArray<N> filled(std::uint8_t value) {
  ByteArray<N> out;
  out.fill(value);
  return out;
}

inline crypto::Identity identity_of(std::uint8_t seed) {
  return crypto::Identity::from_seed(crypto::SecretKey::copy_of(filled<32>(seed)));
}

/// Every shorter and longer string is refused; every flipped bit is refused or decodes to something else that encodes
/// to those very bytes.
template <class Decode>
void expect_strict(const Bytes& good, Decode decode) {
  const auto original = decode(good);
  ASSERT_TRUE(original) << original.error().detail;
  ASSERT_EQ(encode(*original), good);
  for (std::size_t size = 0; size < good.size(); ++size)
    EXPECT_FALSE(decode(ByteView(good).first(size))) << "cut to " << size << " bytes";
  Bytes longer = good;
  longer.push_back(0);
  EXPECT_FALSE(decode(longer));
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    Bytes flipped = good;
    flipped[bit / 8] = static_cast<std::uint8_t>(flipped[bit / 8] ^ 1U << (bit % 8));
    const auto other = decode(flipped);
    if (!other) continue;
    EXPECT_NE(*other, *original) << "bit " << bit;
    EXPECT_EQ(encode(*other), flipped) << "bit " << bit;
  }
}

/// The code and detail of a failure, or "" when it succeeded.
template <class T>
std::string failure(const Result<T>& result) {
  if (result) return "";
  return std::string(name_of(result.error().code)) + " " + result.error().detail;
}
template <class T>
std::string code_of_failure(const Result<T>& result) {
  return result ? "" : name_of(result.error().code);
}

inline Address some_address() {
  Address address;
  address.contract = "csi-yonne";
  address.log = "pli.example/pli/89";
  address.kind = static_cast<std::uint16_t>(Kind::signalement_individuel);
  address.sender = "m.durand";
  address.sender_key = identity_of(1).public_identity().sign;
  address.queue = "ged/89";
  address.in_reply_to = filled<32>(7);
  address.handling = {"ged-only", "no-copy-to:210890240"};
  address.directory = {3};
  address.roster = filled<32>(9);
  address.created_at = {1'767'225'600'000};
  address.nonce = filled<16>(5);
  return address;
}

/// A few people of an invented département. `seats` decide the rosters; fill_rosters() writes them.
struct World {
  Contract contract;
  std::vector<Member> members;
  std::vector<Queue> queues;

  Member& member(std::string_view id) {
    return *std::find_if(members.begin(), members.end(), [&](const Member& each) { return each.id == id; });
  }
  Queue& queue(std::string_view id) {
    return *std::find_if(queues.begin(), queues.end(), [&](const Queue& each) { return each.id == id; });
  }
  void add_queue(std::string id, std::string organisation = {}) {
    Queue queue;
    queue.id = std::move(id);
    queue.kind = *queue_kind_of(queue.id);
    queue.territory = "89";
    queue.organisation = std::move(organisation);
    queues.push_back(std::move(queue));
  }
  Member& add_member(std::string id, Role role, std::vector<std::string> seats, std::uint8_t seed) {
    Member member;
    member.person = id;
    member.id = std::move(id);
    member.organisation = "210890240";
    member.roles.add(role);
    member.territory = "89024";
    member.seats = std::move(seats);
    member.label = "Personne inventée";
    member.not_before = {1'700'000'000'000};
    member.not_after = {1'900'000'000'000};
    member.keys = identity_of(seed).public_identity();
    members.push_back(std::move(member));
    return members.back();
  }
  void fill_rosters() {
    for (Queue& queue : queues) {
      queue.keys.clear();
      for (const Member& each : members)
        if (!each.revoked_at && std::count(each.seats.begin(), each.seats.end(), queue.id) != 0)
          queue.keys.push_back(each.keys.age);
      std::sort(queue.keys.begin(), queue.keys.end());
    }
  }
  [[nodiscard]] std::vector<Entry> entries() const {
    std::vector<Entry> out = {write_contract(contract, filled<16>(1))};
    for (const Queue& each : queues) out.push_back(write_queue(each, filled<16>(2)));
    for (const Member& each : members) out.push_back(write_member(each, filled<16>(3)));
    return out;
  }
};

inline World some_world() {
  World world;
  world.contract.id = "csi-yonne";
  world.contract.title = "Contrat de sécurité intégrée (exemple inventé)";
  world.contract.parties = {"Préfecture", "Commune de Valbrune"};
  world.contract.territory = "89";
  world.contract.starts = {1'700'000'000'000};
  world.contract.ends = {1'900'000'000'000};
  world.contract.engagements = {"retour 30", "point-de-situation 182"};
  for (const char* id : {"ged/89", "clir/89", "audit/89", "person/a.lemoine"}) world.add_queue(id);
  world.add_queue("org/210890240", "210890240");
  world.add_member("m.durand", Role::referent, {"org/210890240"}, 1);
  world.add_member("a.lemoine", Role::maire, {"org/210890240", "person/a.lemoine"}, 2);
  world.add_member("s.roche", Role::secretariat, {"ged/89", "clir/89"}, 3).organisation = "prefecture";
  world.add_member("g.petit", Role::membre_ged, {"ged/89"}, 4).organisation = "gendarmerie";
  world.add_member("c.blanc", Role::membre_clir, {"clir/89"}, 5).organisation = "ddfip";
  world.add_member("v.noir", Role::auditeur, {"audit/89"}, 6).organisation = "prefecture";
  world.fill_rosters();
  return world;
}

/// Authority key number `seed`, named for it.
inline crypto::SigningKey authority_key(std::uint8_t seed) {
  return crypto::SigningKey::from_seed(filled<32>(static_cast<std::uint8_t>(0xA0 + seed)));
}
inline audit::VerifierKey authority(std::uint8_t seed) {
  return {"authority.example/" + std::to_string(seed), audit::KeyType::ed25519, authority_key(seed).public_key()};
}
inline AuthoritySet authorities(std::size_t threshold, const std::vector<std::uint8_t>& seeds) {
  AuthoritySet out;
  out.threshold = threshold;
  for (std::uint8_t seed : seeds) out.keys.push_back(authority(seed));
  return out;
}
inline std::string sign_directory(const DirectoryHead& head, const std::vector<std::uint8_t>& signers) {
  audit::Note note{to_text(head), {}};
  for (std::uint8_t seed : signers) audit::sign_note(note, authority(seed).name, authority_key(seed));
  return audit::to_text(note);
}

}  // namespace pli::protocol::test
