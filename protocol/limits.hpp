// Every size, count and time that something outside may push against, by name. Each has a test at it and one above.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace pli::protocol {

using namespace std::chrono_literals;

// The wire (design §6).
inline constexpr std::size_t message_bytes_max = 64 * 1024;  ///< one request or reply
inline constexpr std::size_t message_frames_max = 8;
inline constexpr std::size_t transport_bytes_max = 128 * 1024;  ///< ZMQ MAXMSGSIZE: beyond it the peer is dropped
inline constexpr std::size_t inline_bytes_max = 48 * 1024;      ///< locked + payload that ride inside `submit`
inline constexpr std::size_t chunk_bytes_max = 48 * 1024;       ///< one put_chunk or get_chunk
inline constexpr std::size_t list_items_max = 64;               ///< headers in one reply
inline constexpr std::size_t list_bytes_max = 56 * 1024;
inline constexpr std::size_t directory_bytes_max = 48 * 1024;  ///< entries in one directory reply
/// Looked through for one reply, shown or not; then the reply says where to go on.
inline constexpr std::size_t case_rows_scanned_max = 256;
inline constexpr std::size_t entries_scanned_max = 4096;
inline constexpr std::size_t records_items_max = 64;
inline constexpr std::size_t records_bytes_max = 56 * 1024;
inline constexpr std::size_t refusal_subject_bytes_max = 96;    ///< a rule, a field, or "from,to,possible"
inline constexpr std::size_t proof_digests_max = 64;            ///< inclusion or consistency; a tree is at most 63 tall
inline constexpr std::size_t checkpoint_bytes_max = 16 * 1024;  ///< signed note with its cosignatures
inline constexpr std::size_t order_bytes_max = 12 * 1024;       ///< an authority's order to open a shard, signed by all

// Exchanges.
inline constexpr std::size_t exchange_bytes_max = 8 * 1024 * 1024;  ///< locked + payload; configuration may lower it
inline constexpr std::size_t recipients_max = 512;                  ///< keys of one roster
inline constexpr std::size_t address_bytes_max = 2048;
inline constexpr std::size_t handling_max = 8;
inline constexpr std::size_t attributes_max = 2;  ///< in clear; an agreement may have a term
inline constexpr std::size_t release_shares_max = 8;
inline constexpr std::size_t gossip_heads_max = 32;
inline constexpr std::size_t locked_bytes_max = 64 * 1024 + 40;  ///< age header limit + lock overhead

// Openings.
inline constexpr std::size_t opening_bytes_max = 308;  ///< of the longest log and opener
inline constexpr std::size_t note_bucket_bytes = 512;  ///< the sealed note's plaintext, padded
inline constexpr std::size_t note_text_bytes_max = note_bucket_bytes - 4;
inline constexpr std::size_t sealed_note_bytes_max = 56 * 1024;
/// The one size of a sealed note to so many auditors: age's two fixed lines, a stanza each; nonce, one chunk, its tag.
[[nodiscard]] constexpr std::size_t sealed_note_bytes(std::size_t auditors) {
  return 22 + auditors * 98 + 48 + 16 + note_bucket_bytes + 16;
}
inline constexpr std::size_t retour_bucket_bytes = 4096;  ///< an unreleased retour (design §10)
inline constexpr std::size_t retour_payload_bytes = 16 + retour_bucket_bytes + 16;  ///< nonce, one chunk, its tag
inline constexpr std::size_t access_parts_per_sender_max = 2;
inline constexpr std::size_t access_parts_max = 16;  ///< of one exchange
inline constexpr std::size_t case_transmissions_max =
    8;                                                 ///< queues one case is passed on to; a page of cases holds them
inline constexpr std::size_t transfers_chain_max = 8;  ///< transmissions between a case and the report it came from

// Time.
inline constexpr std::chrono::milliseconds clock_skew_max = 300s;         ///< created-at ahead of the broker
inline constexpr std::chrono::milliseconds opening_age_max = 300s;        ///< an older opening request is refused
inline constexpr std::chrono::milliseconds opening_replay_window = 600s;  ///< the same request gets the same answer
inline constexpr std::chrono::milliseconds directory_validity_max = 30LL * 24 * 3600 * 1000ms;
inline constexpr std::chrono::milliseconds directory_alarm_before = 10LL * 24 * 3600 * 1000ms;
inline constexpr std::chrono::milliseconds lease_life = 5LL * 7 * 24 * 3600 * 1000ms;
inline constexpr std::chrono::milliseconds lease_period = 7LL * 24 * 3600 * 1000ms;
inline constexpr std::chrono::milliseconds clock_leap_max = 14LL * 24 * 3600 * 1000ms;  ///< ahead of all at a start
inline constexpr std::chrono::milliseconds clock_back_max = 24LL * 3600 * 1000ms;       ///< behind the newest lease
inline constexpr std::chrono::milliseconds clock_jump_max = 3600s;                      ///< a step of a running broker
inline constexpr std::chrono::milliseconds suspension_life = 7LL * 24 * 3600 * 1000ms;  ///< then it lapses
inline constexpr std::chrono::milliseconds cosigned_age_warned = 600s;                  ///< older: a visible warning
inline constexpr std::chrono::milliseconds cosigned_age_max = 24LL * 3600 * 1000ms;     ///< older: nothing is sealed
/// An envelope is kept so long after its receipt was cosigned: a shard opened after a rollback may lack the exchange.
inline constexpr std::chrono::milliseconds cosigned_envelope_life = 5LL * 7 * 24 * 3600 * 1000ms;

// Directory.
/// A version's note: all its authorities sign with names of full length, and a page still holds the largest entry.
inline constexpr std::size_t directory_note_bytes_max = 12 * 1024;
inline constexpr std::size_t directory_entries_max = 200'000;
inline constexpr std::size_t entry_bytes_max = 40 * 1024;
inline constexpr std::size_t entry_attributes_max = 1024;
inline constexpr std::size_t authorities_max = 16;
inline constexpr std::size_t directory_bundle_bytes_max = 8 * 1024 * 1024;
inline constexpr std::size_t suspension_bytes_max = 4096;
inline constexpr std::size_t contract_parties_max = 64;
inline constexpr std::size_t contract_communes_max = 256;
inline constexpr std::size_t contract_engagements_max = 32;
inline constexpr std::size_t contract_referents_max = 16;
inline constexpr std::size_t charter_parties_min = 3;  ///< préfet, maire, procureur
inline constexpr std::size_t charter_parties_max = 16;
inline constexpr std::size_t tool_queues_max = 32;  ///< it may post to; and as many that it may read

// Fairness: for each enrolled identity.
inline constexpr std::size_t in_flight_max = 256;               ///< requests being worked on; the next is BUSY
inline constexpr std::size_t connections_per_identity_max = 8;  ///< the next is answered BUSY
inline constexpr std::size_t handshakes_per_minute_max = 600;   ///< then refused in the handshake
inline constexpr std::size_t refusals_per_minute_max = 30;      ///< then BUSY, unevaluated
inline constexpr std::uint64_t bytes_per_day_max = 512ULL * 1024 * 1024;  ///< accepted; configurable; then BUSY
inline constexpr std::uint64_t acts_per_day_max = 100'000;                ///< logged; configurable; then BUSY
inline constexpr std::size_t spool_bytes_per_identity_max = 4 * exchange_bytes_max;
inline constexpr std::size_t spool_parts_per_identity_max = 16;
inline constexpr std::size_t chunk_credit = 8;          ///< chunks in flight for one part
inline constexpr std::size_t follow_credit_max = 4096;  ///< headers pushed ahead of the next credit
inline constexpr std::size_t follow_queues_max = 64;
inline constexpr std::size_t follow_batch_headers_max = 1024;  ///< of backlogs, in one batch or between two

// The core.
inline constexpr std::size_t batch_requests_max = 256;  ///< requests in one commit
inline constexpr std::size_t gate_queue_max = 4096;     ///< messages waiting for the gate; then BUSY

/// Kept free on the broker's disk for readings, refusals and the next start; configurable.
inline constexpr std::uint64_t disk_reserve_bytes = 256ULL * 1024 * 1024;

// Files people hand over.
inline constexpr std::size_t card_bytes_max = 4096;
inline constexpr std::size_t invitation_bytes_max = 16 * 1024;
inline constexpr std::size_t receipt_bytes_max = 512 * 1024;
inline constexpr std::size_t form_bytes_max = 256 * 1024;  ///< JSON of a form, attachments apart
inline constexpr std::size_t attachments_max = 5;
inline constexpr std::size_t attachment_name_bytes_max = 120;
inline constexpr std::size_t media_type_bytes_max = 100;
inline constexpr std::size_t free_text_chars_max = 1000;  ///< short on purpose
inline constexpr std::size_t line_chars_max = 200;        ///< a name, a place, an address
inline constexpr std::size_t form_brief_bytes_max = 240;  ///< the free line beside a closed list
inline constexpr std::size_t form_facts_max = 20;
inline constexpr std::size_t form_persons_max = 8;
inline constexpr std::size_t nominative_persons_max = 1;  ///< named to a maire
inline constexpr std::size_t nominative_facts_max = 3;
inline constexpr std::chrono::milliseconds nominative_life_max = 90LL * 24 * 3600 * 1000ms;

}  // namespace pli::protocol
