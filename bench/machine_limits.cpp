#include "bench/machine_limits.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <thread>
#include <vector>
#include <zmq.hpp>

#include "bench/median.hpp"
#include "crypto/identity.hpp"
#include "crypto/statement.hpp"

namespace pli::bench {
namespace {

using clock = std::chrono::steady_clock;

double micros(clock::duration time) { return std::chrono::duration<double, std::micro>(time).count(); }

double measure_fdatasync(const std::filesystem::path& folder) {
  auto path = folder / "fdatasync.bench";
  int fd = ::open(path.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
  if (fd < 0) return 0;
  std::vector<char> block(4096, 'x');
  std::vector<double> times;
  for (auto end = clock::now() + std::chrono::seconds(1); clock::now() < end;) {
    auto start = clock::now();
    if (::write(fd, block.data(), block.size()) < 0 || ::fdatasync(fd) != 0) break;
    times.push_back(micros(clock::now() - start));
  }
  ::close(fd);
  ::unlink(path.c_str());
  return median(std::move(times));
}

double measure_verify() {
  auto key = crypto::SigningKey::generate();
  Bytes message(600, 7);
  auto signature = crypto::sign_statement(key, crypto::StatementName::exchange, message);
  std::size_t count = 0;
  auto start = clock::now();
  for (auto end = start + std::chrono::milliseconds(700); clock::now() < end; ++count)
    if (!crypto::verify_statement(key.public_key(), crypto::StatementName::exchange, message, signature)) return 0;
  return micros(clock::now() - start) / static_cast<double>(count);
}

double measure_round_trip() {
  zmq::context_t context(1);
  auto server_keys = crypto::Identity::generate();
  auto client_keys = crypto::Identity::generate();
  auto text = [](ByteView bytes) { return std::string(as_text(bytes)); };
  zmq::socket_t server(context, zmq::socket_type::rep);
  server.set(zmq::sockopt::curve_server, true);
  server.set(zmq::sockopt::curve_secretkey, text(server_keys.curve_secret().expose()));
  server.set(zmq::sockopt::linger, 0);
  server.bind("tcp://127.0.0.1:*");
  std::string endpoint = server.get(zmq::sockopt::last_endpoint);
  std::thread echo([&server] {
    for (;;) {
      zmq::message_t message;
      if (!server.recv(message) || message.size() == 0) return;
      server.send(zmq::buffer("ok", 2), zmq::send_flags::none);
    }
  });
  zmq::socket_t client(context, zmq::socket_type::req);
  client.set(zmq::sockopt::curve_serverkey, text(server_keys.public_identity().curve.bytes));
  client.set(zmq::sockopt::curve_secretkey, text(client_keys.curve_secret().expose()));
  client.set(zmq::sockopt::curve_publickey, text(client_keys.public_identity().curve.bytes));
  client.set(zmq::sockopt::linger, 0);
  client.connect(endpoint);
  std::vector<char> request(2048, 'x');
  std::vector<double> times;
  for (auto end = clock::now() + std::chrono::seconds(1); clock::now() < end;) {
    auto start = clock::now();
    client.send(zmq::buffer(request), zmq::send_flags::none);
    zmq::message_t reply;
    if (!client.recv(reply)) break;
    times.push_back(micros(clock::now() - start));
  }
  client.send(zmq::message_t(), zmq::send_flags::none);
  echo.join();
  return median(std::move(times));
}

}  // namespace

MachineLimits measure_machine(const std::filesystem::path& folder) {
  return {measure_fdatasync(folder), measure_verify(), measure_round_trip()};
}

}  // namespace pli::bench
