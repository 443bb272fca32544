// What the index of link hints keeps of one opened exchange, as it lies sealed in state.db (docs/storage.md, "Link
// hints"), and what an opened form says for it.
#pragma once

#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "base/result.hpp"
#include "client/link_index.hpp"
#include "crypto/secret.hpp"
#include "protocol/form.hpp"

namespace pli::client {

/// Sealed records are padded to a multiple of this, so that their size says little of what they hold.
inline constexpr std::size_t link_record_bucket_bytes = 256;
/// Of a folded text, cut there; forms hold far shorter ones.
inline constexpr std::size_t link_text_bytes_max = 4096;

/// The person reported and the structure: not the witnesses, relatives and possible victims a form may also name, of
/// whom no index is made. Of a rectification, what it corrects to. Of what carries no form of ours, nothing.
[[nodiscard]] LinkSubjects subjects_of(const protocol::Form& form);

/// Somebody's word on two cases.
enum class LinkVerdict : std::uint8_t { accepted = 1, rejected = 2 };
struct LinkDecision {
  CasePair pair;
  LinkVerdict verdict = LinkVerdict::rejected;
  UnixMillis decided_at{};
  std::string decided_by;           ///< member id
  std::vector<LinkReason> reasons;  ///< what the machine had said then; none: the person alone
};

/// XChaCha20-Poly1305 under Identity::links_key(), bound to exchange and case.
[[nodiscard]] Bytes seal_link_entry(const LinkEntry& entry, const crypto::SecretKey& key);
/// Errors: authentication_failed (another key, moved or altered); corruption (not as seal_link_entry writes).
[[nodiscard]] Result<LinkEntry> open_link_entry(ByteView sealed, const protocol::ExchangeId& exchange,
                                                const Digest& case_id, const crypto::SecretKey& key);
[[nodiscard]] Bytes seal_link_decision(const LinkDecision& decision, const crypto::SecretKey& key);
[[nodiscard]] Result<LinkDecision> open_link_decision(ByteView sealed, const crypto::SecretKey& key);

/// The plaintexts, unsealed. Whatever decodes encodes to the same bytes. Errors: corruption. Safe on hostile input.
[[nodiscard]] Bytes encode_link_entry(const LinkEntry& entry);
[[nodiscard]] Result<LinkEntry> decode_link_entry(ByteView bytes);
[[nodiscard]] Bytes encode_link_decision(const LinkDecision& decision);
[[nodiscard]] Result<LinkDecision> decode_link_decision(ByteView bytes);

}  // namespace pli::client
