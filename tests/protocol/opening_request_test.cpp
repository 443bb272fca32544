#include "protocol/opening_request.hpp"

#include "crypto/hash.hpp"
#include "protocol/limits.hpp"
#include "tests/protocol/support.hpp"

namespace pli::protocol {
namespace {

using test::expect_strict;
using test::failure;
using test::filled;

OpeningRequest some_request() {
  OpeningRequest request;
  request.log = "pli.example/pli/89";
  request.exchange = filled<32>(1);
  request.opener = "g.petit";
  request.opener_key = test::identity_of(4).public_identity().sign;
  request.directory = {3};
  request.motif = static_cast<std::uint8_t>(Motif::evaluation);
  request.note = filled<32>(2);
  request.session = {filled<32>(3)};
  request.created_at = {1'767'225'600'000};
  request.nonce = filled<16>(4);
  return request;
}

TEST(OpeningRequest, IsReadStrictly) { expect_strict(encode(some_request()), decode_opening_request); }

TEST(OpeningRequest, NamesTheFieldAtFault) {
  const auto with = [](auto change) {
    OpeningRequest request = some_request();
    change(request);
    return failure(decode_opening_request(encode(request)));
  };
  EXPECT_EQ(with([](OpeningRequest& r) { r.log = "pli.example"; }), "invalid_input log");
  EXPECT_EQ(with([](OpeningRequest& r) { r.opener.clear(); }), "invalid_input opener");
  EXPECT_EQ(with([](OpeningRequest& r) { r.directory = {0}; }), "invalid_input directory");
  EXPECT_EQ(with([](OpeningRequest& r) { r.motif = 9; }), "invalid_input motif");
  EXPECT_EQ(with([](OpeningRequest& r) { r.created_at = {-1}; }), "invalid_input created_at");
}

TEST(OpeningRequest, LeavesAMissingMotifToWhoeverDecides) {
  OpeningRequest request = some_request();
  request.motif = 0;
  const auto decoded = decode_opening_request(encode(request));
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->motif, 0);
}

TEST(OpeningRequest, IsLongestWithTheLongestLogAndOpener) {
  OpeningRequest request = some_request();
  request.log = std::string(63, 'a') + "." + std::string(9, 'b') + "/pli/89";
  request.opener = std::string(64, 'o');
  const Bytes longest = encode(request);
  EXPECT_EQ(failure(decode_opening_request(longest)), "");
  EXPECT_EQ(longest.size(), opening_bytes_max);
  request.opener += 'o';
  EXPECT_EQ(failure(decode_opening_request(encode(request))), "invalid_input opening") << "unread";
}

TEST(OpeningRequest, IsNamedByTheDigestOfItsBytes) {
  const Bytes bytes = encode(some_request());
  EXPECT_EQ(opening_id(bytes), crypto::sha256(bytes));
}

}  // namespace
}  // namespace pli::protocol
