// peer-load: the load generator of bench/peers/run. One JSON object on a line when the measured time begins, one when
// it has ended, so that the caller can read the server's processor time at both; it hangs up when a line comes in.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>

#include "bench/peers/load.hpp"
#include "crypto/random.hpp"

namespace {

void print(const nlohmann::json& line) {
  std::printf("%s\n", line.dump().c_str());
  std::fflush(stdout);
}

void wait_for_line() {
  std::string line;
  std::getline(std::cin, line);
}

}  // namespace

int main(int argc, char** argv) {
  pli::bench::LoadOptions options;
  double window_s = 3;
  double warm_up_s = 0.5;
  double patience_s = 60;
  CLI::App app{"Loads a peer broker on loopback, over TLS 1.3; bench/peers/run starts the broker and this"};
  app.footer("Example: peer-load --peer redis --port 6390 run --count 100000");
  app.add_option("--peer", options.peer, "rabbitmq, redis, postgresql, nats or mosquitto")->required();
  app.add_option("--port", options.port, "Where it listens for TLS")->required()->check(CLI::Range(1, 65535));
  app.add_option("--bytes", options.bytes, "Of a message")->check(CLI::Range(100, 1 << 20));
  app.add_option("--senders", options.senders, "Connections that send")->check(CLI::Range(1, 64));
  app.add_option("--in-flight", options.in_flight, "Unanswered messages of each")->check(CLI::Range(1, 1024));
  CLI::App* ready = app.add_subcommand("ready", "Waits until it signs somebody in");
  ready->add_option("--patience", patience_s, "Seconds")->check(CLI::Range(1, 600));
  CLI::App* run = app.add_subcommand("run", "Sends, and receives when there are receivers");
  run->add_option("--count", options.count, "Messages, measured from the first to the last; 0: by time");
  run->add_option("--rate", options.rate, "Messages a second of one sender, sent when due; 0: as fast as confirmed");
  run->add_option("--seconds", window_s, "Measured time")->check(CLI::Range(0.1, 600.0));
  run->add_option("--warm-up", warm_up_s, "Seconds before it")->check(CLI::Range(0.0, 60.0));
  run->add_option("--receivers", options.receivers, "Each gets and acknowledges every message")
      ->check(CLI::Range(0, 10));
  run->add_flag("--verify", options.verify, "The first receiver verifies each message's Ed25519 signature");
  CLI::App* crash =
      app.add_subcommand("crash", "Sends until the broker dies; counts, after a line on stdin, what it lost");
  app.require_subcommand(1);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& asked) {
    return app.exit(asked) == 0 ? 0 : 2;
  }
  pli::crypto::initialise();
  options.window = std::chrono::duration<double>(window_s);
  options.warm_up = std::chrono::duration<double>(warm_up_s);
  if (options.rate > 0) options.senders = 1;
  try {
    if (ready->parsed())
      return pli::bench::wait_ready(options.peer, options.port, std::chrono::duration<double>(patience_s)) ? 0 : 1;
    if (run->parsed())
      pli::bench::run_load(
          options,
          [] {
            print({{"begins", true}});
          },
          [](const nlohmann::json& figures) {
            print(figures);
            wait_for_line();
          });
    if (crash->parsed())
      print(pli::bench::run_crash_trial(options, [](std::uint64_t confirmed) {
        print({{"dead", true}, {"confirmed", confirmed}});
        wait_for_line();
      }));
    return 0;
  } catch (const std::exception& problem) {
    std::fprintf(stderr, "peer-load: %s: %s\n", options.peer.c_str(), problem.what());
    return 1;
  }
}
