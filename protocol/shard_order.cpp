#include "protocol/shard_order.hpp"

#include <algorithm>

#include "audit/text_lines.hpp"
#include "audit/tree.hpp"
#include "crypto/hash.hpp"
#include "protocol/limits.hpp"

namespace pli::protocol {
namespace {

constexpr std::string_view order_line = "pli-order/1";
constexpr std::string_view request_line = "pli-order-request/1";

Error invalid(const char* what) { return {Errc::invalid_input, what}; }
Error contradiction(const char* what) { return {Errc::conflict, what}; }

/// The value of the next line, which must bear `name`.
std::optional<std::string_view> take_value(std::string_view& rest, std::string_view name) {
  auto line = audit::take_line(rest);
  if (!line || !audit::take_prefix(*line, name) || !audit::take_prefix(*line, " ")) return std::nullopt;
  return line;
}

/// Up to the next space, or to the end.
std::string_view take_word(std::string_view& rest) {
  const std::size_t end = rest.find(' ');
  const std::string_view word = rest.substr(0, end);
  rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  return word;
}

std::optional<Digest> parse_digest(std::string_view hex) {
  const auto bytes = from_hex(hex);
  return bytes ? to_array<32>(*bytes) : std::nullopt;
}

/// No shard is empty: it has a first leaf.
std::optional<TreeMark> parse_mark(std::string_view size_text, std::string_view root_text) {
  const auto size = audit::parse_decimal(size_text);
  const auto root = parse_digest(root_text);
  if (!size || *size == 0 || *size >= audit::tree_size_limit || !root) return std::nullopt;
  return TreeMark{{*size}, *root};
}

std::optional<TreeMark> take_mark(std::string_view& rest, std::string_view name) {
  auto value = take_value(rest, name);
  if (!value) return std::nullopt;
  const std::string_view size = take_word(*value);
  return parse_mark(size, *value);
}

/// Positive, and small enough to be signed.
std::optional<UnixMillis> take_time(std::string_view& rest, std::string_view name) {
  const auto text = take_value(rest, name);
  if (!text) return std::nullopt;
  const auto number = audit::parse_decimal(*text);
  if (!number || *number == 0 || *number >> 63 != 0) return std::nullopt;
  return UnixMillis{static_cast<std::int64_t>(*number)};
}

std::string to_text(const TreeMark& mark) { return std::to_string(mark.size.value) + " " + to_hex(mark.root); }

/// From `contract` to `opens`.
std::string body_text(const RollbackOrder& order) {
  return "contract " + order.contract + "\nlog " + order.log + "\ncloses " + order.closes + "\nlast " +
         to_text(order.last) + "\nrestored " + to_text(order.restored) + "\nopens " + order.opens + "\n";
}

Result<RollbackOrder> take_body(std::string_view& rest) {
  const auto contract = take_value(rest, "contract");
  const auto log = take_value(rest, "log");
  const auto closes = take_value(rest, "closes");
  const auto last = take_mark(rest, "last");
  const auto restored = take_mark(rest, "restored");
  const auto opens = take_value(rest, "opens");
  if (!contract || !is_token(*contract)) return invalid("contract");
  if (!log || !is_log_name(*log)) return invalid("log");
  const auto before = closes ? shard_of(*closes, *log) : std::nullopt;
  if (!before) return invalid("closes");
  if (!last) return invalid("last");
  // Nothing is given up where nothing is missing; and two trees of which neither is the longer one are no rollback.
  if (!restored || restored->size >= last->size) return invalid("restored");
  const auto after = opens ? shard_of(*opens, *log) : std::nullopt;
  if (!after || after != shard_after(*before, before->year)) return invalid("opens");
  RollbackOrder out;
  out.contract = *contract;
  out.log = *log;
  out.closes = *closes;
  out.last = *last;
  out.restored = *restored;
  out.opens = *opens;
  return out;
}

}  // namespace

std::string to_text(const ShardName& name) { return std::to_string(name.year) + "-" + std::to_string(name.number); }

std::optional<ShardName> shard_of(std::string_view origin, std::string_view log) {
  if (!audit::take_prefix(origin, log) || !audit::take_prefix(origin, "/")) return std::nullopt;
  return parse_shard_name(origin);
}

std::optional<ShardName> shard_after(const ShardName& before, std::uint32_t year) {
  if (year > before.year) return ShardName{year, 1};
  if (before.number >= audit::shard_number_max) return std::nullopt;
  return ShardName{before.year, before.number + 1};
}

std::string to_text(const RollbackOrder& order) {
  return std::string(order_line) + "\n" + body_text(order) + "created " + std::to_string(order.created.value) + "\n";
}

Result<RollbackOrder> parse_rollback_order(std::string_view note_text) {
  std::string_view rest = note_text;
  if (audit::take_line(rest) != order_line) return invalid("order");
  auto order = take_body(rest);
  if (!order) return order;
  const auto created = take_time(rest, "created");
  if (!created) return invalid("created");
  if (!rest.empty()) return invalid("order");
  order->created = *created;
  return order;
}

Digest order_digest(std::string_view note_text) { return crypto::sha256(as_bytes(note_text)); }

Result<VerifiedOrder> verify_order_note(std::string_view note, const AuthoritySet& authorities) {
  if (!is_usable(authorities)) return invalid("trusted authorities");
  if (note.size() > order_bytes_max) return Error{Errc::over_limit, "order"};
  const auto parsed = audit::parse_note(note);
  if (!parsed) return parsed.error();
  auto order = parse_rollback_order(parsed->text);
  if (!order) return order.error();
  const auto signers = audit::verify_note(*parsed, authorities.keys);
  if (!signers) return signers.error();
  if (signers->size() < authorities.threshold)
    return Error{Errc::authentication_failed, "order signed by too few authorities"};
  VerifiedOrder out;
  out.order_ = *std::move(order);
  out.digest_ = order_digest(parsed->text);
  return out;
}

std::string to_text(const RollbackRequest& request) {
  return std::string(request_line) + "\n" + body_text(request.order) + "newest " +
         std::to_string(request.newest.value) + "\ncreated " + std::to_string(request.order.created.value) + "\n";
}

Result<RollbackRequest> parse_rollback_request(std::string_view text) {
  std::string_view rest = text;
  if (audit::take_line(rest) != request_line) return invalid("request");
  auto order = take_body(rest);
  if (!order) return order.error();
  const auto newest = take_time(rest, "newest");
  const auto created = take_time(rest, "created");
  if (!newest) return invalid("newest");
  if (!created) return invalid("created");
  if (!rest.empty()) return invalid("request");
  RollbackRequest out{*std::move(order), *newest};
  out.order.created = *created;
  return out;
}

std::string to_text(const ShardOpening& opening) {
  std::string out = "shard " + opening.previous + " " + to_text(opening.closed);
  if (opening.lost) out += " last " + to_text(opening.lost->last) + " order " + to_hex(opening.lost->order);
  return out;
}

Result<ShardOpening> parse_shard_opening(std::string_view statement) {
  const Error malformed = invalid("shard");
  std::string_view rest = statement;
  if (!audit::take_prefix(rest, "shard ")) return malformed;
  ShardOpening out;
  out.previous = take_word(rest);
  if (!audit::is_key_name(out.previous)) return malformed;
  const std::string_view size = take_word(rest);
  const auto closed = parse_mark(size, take_word(rest));
  if (!closed) return malformed;
  out.closed = *closed;
  if (!rest.empty()) {
    if (!audit::take_prefix(rest, "last ")) return malformed;
    const std::string_view last_size = take_word(rest);
    const auto last = parse_mark(last_size, take_word(rest));
    if (!last || last->size <= out.closed.size || !audit::take_prefix(rest, "order ")) return malformed;
    const auto order = parse_digest(rest);
    if (!order) return malformed;
    out.lost = ShardOpening::Lost{*last, *order};
  }
  // A space at the end, or two in a row, would be a second spelling.
  if (to_text(out) != statement) return malformed;
  return out;
}

Result<ShardOpening> verify_shard_change(const ShardChange& change, std::string_view contract, std::string_view log,
                                         const AuthoritySet& authorities) {
  const auto before = shard_of(change.closed.origin, log);
  const auto after = shard_of(change.opened, log);
  if (!before || !after || after != shard_after(*before, after->year)) return invalid("opened");
  if (change.first.type != audit::LeafType::registre || !change.first.directory || !change.first.statement)
    return invalid("first leaf");
  auto opening = parse_shard_opening(*change.first.statement);
  if (!opening) return opening;
  if (opening->previous != change.closed.origin) return contradiction("first leaf of another shard's successor");
  if (opening->closed != TreeMark{change.closed.size, change.closed.root})
    return contradiction("first leaf and closing checkpoint differ");
  if (opening->lost.has_value() != change.last_known.has_value() || opening->lost.has_value() == change.order.empty())
    return contradiction("first leaf and what was lost differ");
  if (!opening->lost) return opening;

  const TreeMark last{change.last_known->size, change.last_known->root};
  if (change.last_known->origin != change.closed.origin || opening->lost->last != last)
    return contradiction("first leaf and last known checkpoint differ");
  const auto verified = verify_order_note(change.order, authorities);
  if (!verified) return verified.error();
  const RollbackOrder& order = verified->order();
  if (verified->digest() != opening->lost->order) return contradiction("first leaf names another order");
  if (order.contract != contract || order.log != log || order.closes != change.closed.origin || order.last != last ||
      order.restored != opening->closed || order.opens != change.opened)
    return contradiction("the order is of another rollback");
  return opening;
}

}  // namespace pli::protocol
