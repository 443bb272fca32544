// A witness in this process: the real server, desk and store, in a folder of its own, on a free loopback port; and one
// that can be told to misbehave.
//
//   WitnessHouse witness({log_key});               // VerifierKeys of type 0x01, named after their origins
//   WitnessHouse witness(WitnessHouse::every_shard("broker.example/pli/89", public_key));
//   line_to("…", witness.url(), witness.key());    // url() + "/add-checkpoint", witness.key() has type 0x04
//   witness.behave(WitnessHouse::Conduct::failing);   // until told otherwise; asked() counts what came
//   witness.stop();  …  witness.start();           // same port, same key, same state
//   witness.set_now(now);                          // what it signs; else the machine's clock
//
// Link pli_test_witness_house. Thread: one owner; the server's own threads are inside.
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/temporary_folder.hpp"
#include "witness/desk.hpp"
#include "witness/witness_server.hpp"

namespace pli::testing {

class WitnessHouse {
 public:
  enum class Conduct {
    honest,
    ahead,         ///< 409 with claim_size(): somebody has shown it a larger tree
    saw_another,   ///< 422: what it cosigned is not the start of this tree
    failing,       ///< 500
    forging,       ///< 200, decided and kept as usual, with one bit of the signature changed
    signing_less,  ///< 200 without any line
    silent,        ///< decides and keeps, and answers only once another conduct is chosen, or at stop()
  };

  explicit WitnessHouse(const std::vector<audit::VerifierKey>& logs, std::string name = "witness.example/w1");
  /// `logs` is the text of the file (witness/watched_logs.hpp).
  explicit WitnessHouse(const std::string& logs, std::string name = "witness.example/w1");
  ~WitnessHouse();
  WitnessHouse(const WitnessHouse&) = delete;
  WitnessHouse& operator=(const WitnessHouse&) = delete;

  [[nodiscard]] static std::string every_shard(std::string_view log_name, const crypto::SignPublic& key);

  [[nodiscard]] const audit::VerifierKey& key() const { return key_; }
  [[nodiscard]] std::string vkey() const { return audit::to_text(key_); }
  [[nodiscard]] const std::string& url() const { return url_; }  ///< submission and monitoring prefix
  [[nodiscard]] int port() const { return port_; }
  [[nodiscard]] const std::filesystem::path& folder() const { return folder_.path(); }

  void behave(Conduct conduct);
  void claim_size(TreeSize size);  ///< of Conduct::ahead
  void set_now(UnixMillis now) { clock_.now_ = now.value; }
  /// Requests that came to the desk, whatever became of them.
  [[nodiscard]] std::size_t asked() const { return asked_; }
  [[nodiscard]] std::size_t evidence_kept() const { return evidence_kept_; }
  /// What it cosigned last, as its monitoring prefix serves it.
  [[nodiscard]] std::optional<std::string> checkpoint(std::string_view origin) const;

  void stop();
  void start();  ///< aborts the test when it cannot

 private:
  struct HouseClock final : Clock {
    [[nodiscard]] UnixMillis now() const override;
    std::atomic<std::int64_t> now_{0};  ///< 0: the machine's
  };
  [[nodiscard]] audit::WitnessAnswer answer(std::string_view body);

  TemporaryFolder folder_;
  std::string logs_;
  audit::VerifierKey key_;
  HouseClock clock_;
  int port_ = 0;
  std::string url_;
  std::atomic<std::size_t> asked_{0};
  std::atomic<std::size_t> evidence_kept_{0};
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  Conduct conduct_ = Conduct::honest;
  TreeSize claimed_{};
  bool stopping_ = false;
  std::unique_ptr<witness::Desk> desk_;
  std::unique_ptr<witness::WitnessServer> server_;
};

}  // namespace pli::testing
