// What a broker can make a connection keep: as many pushed headers as a follower gives credit for at most, and no more.
#include <gtest/gtest.h>

#include "protocol/limits.hpp"
#include "tests/client/sitting.hpp"
#include "tests/support/socket_broker.hpp"

namespace pli::testing {
namespace {

using namespace std::chrono_literals;

class PushLimits : public Sitting {
 protected:
  PushLimits()
      : socket_(std::make_unique<SocketBroker>(
            broker_, world_.broker_curve,
            std::set<crypto::CurvePublic>{world_.identity("r.bellerive").public_identity().curve,
                                          world_.identity("ged.un").public_identity().curve})) {
    world_.endpoint = socket_->endpoint();
  }
  std::unique_ptr<SocketBroker> socket_;
};

TEST_F(PushLimits, HeadersUpToTheLargestCreditWaitUnreadAndOneMoreEndsTheConnection) {
  constexpr std::size_t pushes = protocol::follow_credit_max / protocol::list_items_max;
  const crypto::Identity& reader = world_.identity("ged.un");
  auto connection = client::dial(socket_->endpoint(), world_.broker_public, reader.curve_secret(),
                                 reader.public_identity().curve, 5s);
  ASSERT_TRUE(connection.has_value()) << why(connection);
  // Each push but the one that comes after the credit is spent is made as large as a message's list may be.
  socket_->with_broker([](MemoryBroker& broker) {
    broker.bend = [left = pushes](const protocol::Request&, protocol::ReplyBody& body) mutable {
      auto* pushed = std::get_if<protocol::Pushed>(&body);
      if (pushed == nullptr || pushed->items.empty() || left == 0) return;
      --left;
      protocol::QueueItem hidden;
      hidden.queue = "ged/89";
      hidden.head = pushed->items.front().head;
      hidden.visible = false;
      pushed->items.assign(protocol::list_items_max, hidden);
    };
  });
  auto asked = (*connection)->post(protocol::Follow{{{"ged/89", {}}}, protocol::follow_credit_max});
  ASSERT_TRUE(asked.has_value());
  ASSERT_TRUE((*connection)->take(*asked, 5s).has_value());

  Desk sender(world_, "r.bellerive");
  auto sending = client::Session::open(sender.profile, sender.keys, clock_);
  ASSERT_TRUE(sending.has_value()) << why(sending);
  sender.session = std::move(*sending);
  // What was pushed before an answer is read before it.
  const auto after_asking = [&] {
    auto number = (*connection)->post(protocol::GetHealth{});
    if (!number) return why(number);
    return why((*connection)->take(*number, 5s));
  };
  for (std::size_t i = 0; i < pushes; ++i) {
    (void)send_report(sender, report());
    ASSERT_EQ(after_asking(), "") << "after push " << i + 1;
  }
  (void)send_report(sender, report());
  (void)after_asking();  // may have come with the push
  EXPECT_NE(after_asking(), "");
  std::size_t read = 0;
  for (auto push = (*connection)->take_push(0ms); push.has_value() && push->has_value();
       push = (*connection)->take_push(0ms))
    read += (*push)->items.size();
  EXPECT_EQ(read, protocol::follow_credit_max);
}

}  // namespace
}  // namespace pli::testing
