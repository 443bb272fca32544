// An invented département for tests and benches: authority, directory, identities, and exchanges ready to hand in.
// Everything is real cryptography unless a bench asks for bodies that nobody will open.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/request.hpp"
#include "crypto/identity.hpp"
#include "crypto/release_share.hpp"
#include "protocol/directory.hpp"
#include "protocol/exchange.hpp"
#include "protocol/opening_request.hpp"
#include "protocol/shard_order.hpp"
#include "protocol/suspension.hpp"
#include "protocol/wire.hpp"

namespace pli::testing {

/// 12 January 2026, 08:00 UTC.
inline constexpr UnixMillis monday_morning{1'768'204'800'000};

struct DepartmentOptions {
  UnixMillis now = monday_morning;
  std::size_t authorities = 3;
  std::size_t threshold = 2;
  std::size_t ged_members = 9;  ///< beside the secretariat, which sits in every instance
  std::size_t clir_members = 5;
  std::size_t senders = 0;    ///< more référents, for load: "referent.0", "referent.1"…
  std::size_t strangers = 0;  ///< members nobody may see or ask for: they only make the directory long
  std::size_t auditors = 0;   ///< beside "auditeur": "auditeur.0", "auditeur.1"…
};

/// What a test sends. Ids default to zeros: none.
struct Draft {
  std::string sender = "referent.auxerre";
  protocol::Kind kind = protocol::Kind::signalement_individuel;
  std::string queue = "ged/89";
  Digest case_id{};
  Digest in_reply_to{};
  std::vector<std::string> handling;
  std::vector<std::pair<std::string, std::string>> attributes;
  Bytes content = to_bytes("faits invented for a test");
  UnixMillis created_at{};  ///< 0 = the department's start
  bool openable = true;     ///< false: locked part and payload are random bytes of the right size
  std::uint8_t urgency = 0;
};

/// A sealed exchange, with the secrets its sender would forget.
struct Sealed {
  protocol::Envelope envelope;  ///< without release
  protocol::Address address;
  protocol::Seal seal;
  protocol::ExchangeId id{};
  crypto::ReleaseKey release_key;
  crypto::FileKey file_key;
  [[nodiscard]] broker::VerifiedSubmit verified() const;  ///< a copy, as the gate hands it on
  [[nodiscard]] Sealed clone() const;
};

/// Members, by id: secretariat; ged.1 …, clir.1 …; referent.auxerre, maire.auxerre, referent.sens, maire.sens,
/// referent.avallon; outil.transport; auditeur; operateur. Queues: ged/89, clir/89, cpraf/89, audit/89, and org/<SIREN>
/// for the communes, the tool's operator and the préfecture.
class Department {
 public:
  explicit Department(DepartmentOptions options = {});

  [[nodiscard]] const std::string& log() const { return log_; }
  [[nodiscard]] static const std::string& shard();
  [[nodiscard]] std::string origin() const { return log_ + "/" + shard(); }
  [[nodiscard]] UnixMillis now() const { return options_.now; }
  [[nodiscard]] protocol::AuthoritySet authorities() const;

  [[nodiscard]] const crypto::Identity& identity(std::string_view member) const;
  /// As CURVE shows it; `connection` makes another routing id of the same key.
  [[nodiscard]] broker::Peer peer(std::string_view member, int connection = 0) const;
  [[nodiscard]] std::shared_ptr<const protocol::Directory> directory() const { return directory_; }
  [[nodiscard]] const protocol::Member& member(std::string_view id) const;
  [[nodiscard]] std::string organisation_queue(std::string_view member) const;
  [[nodiscard]] std::vector<std::string> member_ids() const;

  /// The newest version, as it is published: signed by the first `signers` authorities (0 = the threshold).
  [[nodiscard]] broker::VerifiedPublish first_version() const;
  /// Edits of the directory; each rebuilds rosters and makes the next version, which publish() returns.
  broker::VerifiedPublish enrol(const std::string& id, const std::string& organisation,
                                std::vector<protocol::Role> roles, std::vector<std::string> seats,
                                const std::string& territory = "89");
  /// With nobody in it; of the next version that is made.
  void add_instance(const std::string& id) { add_queue(id, std::string(protocol::queue_subject(id)), {}); }
  broker::VerifiedPublish revoke(const std::string& id, UnixMillis now);
  broker::VerifiedPublish seat(const std::string& id, std::vector<std::string> seats);
  broker::VerifiedPublish renew(const std::string& id);  ///< new keys; the former identity stays in former_identity()
  broker::VerifiedPublish change_contract(UnixMillis starts, UnixMillis ends, const std::string& territory = "89");
  broker::VerifiedPublish change_contract(const protocol::Contract& contract);
  [[nodiscard]] const protocol::Contract& contract() const { return contract_; }
  /// `person/<person>`, and his seat in it.
  broker::VerifiedPublish give_own_queue(const std::string& id);
  broker::VerifiedPublish enter_charter(const protocol::Charter& charter);  ///< or enters it anew
  broker::VerifiedPublish register_tool(const protocol::Tool& tool);
  broker::VerifiedPublish renew_term(UnixMillis not_after);  ///< a version that changes nothing
  /// The number after the newest, over what the newest holds with `changed`, without becoming the newest.
  [[nodiscard]] broker::VerifiedPublish sign_version(std::vector<protocol::Entry> entries, DirectoryNumber number,
                                                     const Digest& previous, UnixMillis not_after,
                                                     std::size_t signers) const;
  /// Signed by one authority.
  [[nodiscard]] std::string sign_suspension(const protocol::Suspension& suspension, std::size_t authority) const;
  /// Signed by the first `signers` authorities (0 = the threshold).
  [[nodiscard]] std::string sign_order(const protocol::RollbackOrder& order, std::size_t signers = 0) const;
  [[nodiscard]] const crypto::Identity& former_identity(const std::string& member) const { return former_.at(member); }

  [[nodiscard]] Sealed seal(const Draft& draft) const;
  /// A new header around the file key of `original`, for today's roster of its queue.
  [[nodiscard]] Sealed seal_access(const std::string& sender, const Sealed& original, UnixMillis created_at = {}) const;
  /// The same for the roster of another queue, naming the case that the sender reads it in.
  [[nodiscard]] Sealed seal_access_to(const std::string& queue, const Digest& case_id, const std::string& sender,
                                      const Sealed& original, UnixMillis created_at = {}) const;
  /// Signs what the draft made after a test changed address or seal.
  void sign(Sealed& sealed) const;
  /// The same, and R committed to the address as it now is: what the gate lets through to the core.
  void commit_and_sign(Sealed& sealed) const;

  [[nodiscard]] broker::VerifiedOpen open(const std::string& member, const Digest& exchange, UnixMillis now,
                                          protocol::Motif motif = protocol::Motif::evaluation) const;
  /// As the gate would hand on these very bytes.
  [[nodiscard]] broker::VerifiedOpen open_again(const broker::VerifiedOpen& first) const;
  /// What box keys of openings are computed with; the member's side of `open`.
  [[nodiscard]] crypto::BoxKey session_key() const;

  /// The wire's form of a submission, its share boxed to the broker's release key.
  [[nodiscard]] static protocol::Submit wire_submit(const Sealed& sealed, std::uint32_t epoch,
                                                    const crypto::BoxPublic& release, const crypto::BoxPair& session);

  /// Reads what an `open` gave, as the member would. Nothing when any check fails.
  [[nodiscard]] std::optional<protocol::Plaintext> read(const std::string& member,
                                                        const protocol::Opened& opened) const;

 private:
  struct Person;
  void add_member(const std::string& id, const std::string& organisation, std::vector<protocol::Role> roles,
                  std::vector<std::string> seats, const std::string& territory);
  void add_queue(const std::string& id, const std::string& territory, const std::string& organisation);
  broker::VerifiedPublish publish(UnixMillis not_after);
  [[nodiscard]] std::vector<protocol::Entry> entries() const;
  DepartmentOptions options_;
  std::string log_ = "pli.yonne.exemple/pli/89";
  std::vector<crypto::SigningKey> authority_keys_;
  std::map<std::string, crypto::Identity, std::less<>> identities_;
  std::map<std::string, crypto::Identity, std::less<>> former_;
  std::map<std::string, protocol::Member, std::less<>> members_;
  std::map<std::string, protocol::Queue, std::less<>> queues_;
  protocol::Contract contract_;
  std::map<std::string, protocol::Tool, std::less<>> tools_;
  std::map<std::string, protocol::Charter, std::less<>> charters_;
  std::map<std::string, ByteArray<16>, std::less<>> salts_;
  std::shared_ptr<const protocol::Directory> directory_;
  std::optional<broker::VerifiedPublish> first_;
  crypto::BoxPair opener_session_ = crypto::BoxPair::generate();
  crypto::BoxPair release_pair_ = crypto::BoxPair::generate();
};

}  // namespace pli::testing
