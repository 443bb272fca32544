// The PostgreSQL protocol, version 3: one transaction writes the message, its audit row and, for several receivers, a
// row for each of them. A receiver deletes up to 64 rows that nobody else holds, and commits: that is its
// acknowledgement. When there is nothing it asks again a little later.
#include <stdexcept>
#include <utility>

#include "bench/peers/peer.hpp"

namespace pli::bench {
namespace {

constexpr std::uint32_t ask_for_tls = 80877103;
constexpr std::uint32_t version_3 = 196608;
constexpr std::uint32_t type_bytea = 17;
constexpr const char* tables = R"(
  DROP TABLE IF EXISTS message, audit, delivery;
  CREATE TABLE message (id bigserial PRIMARY KEY, at timestamptz NOT NULL DEFAULT now(), body bytea NOT NULL)
    WITH (toast_tuple_target = 8160);
  ALTER TABLE message ALTER COLUMN body SET STORAGE EXTERNAL;
  CREATE TABLE audit (id bigserial PRIMARY KEY, at timestamptz NOT NULL DEFAULT now(), actor text NOT NULL,
    action text NOT NULL, message bigint NOT NULL);
  CREATE TABLE delivery (member int NOT NULL, message bigint NOT NULL, PRIMARY KEY (member, message)))";
constexpr const char* accept = R"(
  WITH m AS (INSERT INTO message (body) VALUES ($1) RETURNING id)
  INSERT INTO audit (actor, action, message) SELECT 'sender', 'accepted', id FROM m)";
constexpr const char* take_message = R"(
  DELETE FROM message WHERE ctid = ANY(ARRAY(SELECT ctid FROM message ORDER BY id LIMIT 64 FOR UPDATE SKIP LOCKED))
  RETURNING body)";

std::string accept_for(int members) {
  return "WITH m AS (INSERT INTO message (body) VALUES ($1) RETURNING id), a AS (INSERT INTO audit (actor, action, "
         "message) SELECT 'sender', 'accepted', id FROM m) INSERT INTO delivery (member, message) SELECT g, m.id FROM "
         "m, generate_series(0, " +
         std::to_string(members - 1) + ") g";
}
std::string take_of(int member) {
  return "WITH d AS (DELETE FROM delivery WHERE ctid = ANY(ARRAY(SELECT ctid FROM delivery WHERE member = " +
         std::to_string(member) +
         " ORDER BY message LIMIT 64 FOR UPDATE SKIP LOCKED)) RETURNING message) SELECT m.body FROM d JOIN message m "
         "ON "
         "m.id = d.message";
}

class PostgreSql final : public Peer {
 public:
  using Peer::Peer;

  void introduce(const std::string&) override {
    put32(line().out, 8);
    put32(line().out, ask_for_tls);
    line().send_all();
    if (line().wait(1)[0] != 'S') throw std::runtime_error("PostgreSQL without TLS");
    line().take(1);
    line().start_tls();
    std::string who;
    put32(who, version_3);
    who += std::string("user\0postgres\0database\0postgres\0\0", 33);
    put32(line().out, who.size() + 4);
    line().out += who;
    wait_ready();
  }

  void clear() override { query(tables); }
  void become_sender() override { prepare("accept", setup().fan_out > 1 ? accept_for(setup().fan_out) : accept, true); }
  void become_receiver(int number) override {
    is_receiver_ = true;
    query("SET enable_seqscan = off");
    prepare("begin", "BEGIN", false);
    prepare("take", setup().fan_out > 1 ? take_of(number) : take_message, false);
    prepare("commit", "COMMIT", false);
    ask();
    line().send_all();
  }

  void publish(std::uint64_t, std::string_view body) override {
    std::string bound = zero_ended("") + zero_ended("accept");
    put16(bound, 1);
    put16(bound, 1);  // binary
    put16(bound, 1);
    put32(bound, body.size());
    bound += body;
    put16(bound, 0);
    send('B', bound);
    send('E', execute());
    send('S', "");
  }

  void ask_again() override {
    if (is_receiver_ && !is_asking_) ask();
  }

  void understand(Told& told) override {
    for (;;) {
      const std::string_view all = line().received();
      if (all.size() < 5 || all.size() < 1 + get32(all, 1)) return;
      const std::size_t size = 1 + get32(all, 1);
      understand_message(all[0], all.substr(5, size - 5), told);
      line().take(size);
    }
  }

 private:
  static std::string zero_ended(std::string text) { return text + '\0'; }
  static std::string execute() {
    std::string out = zero_ended("");
    put32(out, 0);
    return out;
  }
  void send(char kind, std::string_view body) {
    line().out.push_back(kind);
    put32(line().out, body.size() + 4);
    line().out += body;
  }
  void query(const std::string& text) {
    send('Q', zero_ended(text));
    wait_ready();
  }
  void prepare(const std::string& name, const std::string& text, bool takes_bytes) {
    std::string body = zero_ended(name) + zero_ended(text);
    put16(body, takes_bytes ? 1 : 0);
    if (takes_bytes) put32(body, type_bytea);
    send('P', body);
    send('S', "");
    wait_ready();
  }
  void run(const std::string& name) {
    std::string bound = zero_ended("") + zero_ended(name);
    put16(bound, 0);
    put16(bound, 0);
    put16(bound, 1);
    put16(bound, 1);  // binary results
    send('B', bound);
    send('E', execute());
  }
  /// Ends the transaction in which the last batch was taken, and takes the next.
  void ask() {
    if (std::exchange(in_transaction_, true)) run("commit");
    run("begin");
    run("take");
    send('S', "");
    committing_ = std::exchange(taken_, 0);
    is_asking_ = true;
  }

  void wait_ready() {
    line().send_all();
    for (;;) {
      const std::size_t size = 1 + get32(line().wait(5), 1);
      const std::string message(line().wait(size).substr(0, size));
      line().take(size);
      if (message[0] == 'E') throw std::runtime_error("PostgreSQL: " + message.substr(5));
      if (message[0] == 'Z') return;
    }
  }

  void understand_message(char kind, std::string_view body, Told& told) {
    if (kind == 'E') {
      failed_ = true;
      if (is_receiver_) throw std::runtime_error("PostgreSQL: " + std::string(body));
    } else if (kind == 'D') {
      told.delivered(body.substr(6, get32(body, 2)));
      ++taken_;
    } else if (kind == 'C' && body.rfind("COMMIT", 0) == 0) {
      told.acknowledged(std::exchange(committing_, 0));
    } else if (kind == 'Z' && is_receiver_) {
      is_asking_ = false;
      if (taken_ > 0) ask();
    } else if (kind == 'Z') {
      ++confirmed_;
      if (std::exchange(failed_, false))
        told.refused(confirmed_, "error");
      else
        told.confirmed(confirmed_);
    }
  }

  bool is_receiver_ = false;
  bool is_asking_ = false;
  bool in_transaction_ = false;
  bool failed_ = false;
  std::uint64_t confirmed_ = 0;
  std::uint64_t taken_ = 0;       ///< in the transaction that is open
  std::uint64_t committing_ = 0;  ///< in the one whose COMMIT has left
};

}  // namespace

std::unique_ptr<Peer> connect_postgresql(const PeerSetup& setup) { return std::make_unique<PostgreSql>(setup); }

}  // namespace pli::bench
