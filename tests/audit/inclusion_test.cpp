#include "audit/inclusion.hpp"

#include <gtest/gtest.h>

#include <bit>

#include "support.hpp"

namespace pli::audit::test {
namespace {

constexpr std::size_t size_max = 70;

/// Both verifiers on one claim. They must say the same, for the same reason.
struct Verdict {
  bool accepted = false;
  Errc code{};
};

Verdict verdict(const Result<void>& walk, const Result<void>& closed_form) {
  EXPECT_EQ(walk.has_value(), closed_form.has_value()) << "the two verifiers disagree";
  if (walk) return {true, {}};
  if (!closed_form) {
    EXPECT_EQ(walk.error().code, closed_form.error().code);
  }
  return {false, walk.error().code};
}

struct Inclusion {
  Digest root;
  std::uint64_t size;
  std::uint64_t index;
  Digest leaf;
  std::vector<Digest> proof;
};

Verdict judge(const Inclusion& claim) {
  return verdict(
      verify_inclusion(claim.root, TreeSize{claim.size}, LeafIndex{claim.index}, claim.leaf, claim.proof),
      second::verify_inclusion(claim.root, TreeSize{claim.size}, LeafIndex{claim.index}, claim.leaf, claim.proof));
}

struct Consistency {
  std::uint64_t older;
  Digest older_root;
  std::uint64_t newer;
  Digest newer_root;
  std::vector<Digest> proof;
};

Verdict judge(const Consistency& claim) {
  return verdict(
      verify_consistency(TreeSize{claim.older}, claim.older_root, TreeSize{claim.newer}, claim.newer_root, claim.proof),
      second::verify_consistency(TreeSize{claim.older}, claim.older_root, TreeSize{claim.newer}, claim.newer_root,
                                 claim.proof));
}

class Inclusions : public ::testing::Test {
 protected:
  const std::vector<Digest> leaves_ = some_leaves(size_max + 2);
  [[nodiscard]] Leaves first(std::size_t size) const { return Leaves(leaves_).first(size); }
  template <class Each>
  void for_each_valid(const Each& each) const {
    for (std::size_t size = 1; size <= size_max; ++size) {
      const Digest root = naive_root(first(size));
      for (std::size_t index = 0; index < size; ++index)
        each(Inclusion{root, size, index, leaves_[index], naive_path(index, first(size))});
    }
  }
};

TEST_F(Inclusions, OfEveryLeafInEveryTreeUpToSeventyAreAcceptedByBoth) {
  int count = 0;
  for_each_valid([&](const Inclusion& claim) {
    EXPECT_TRUE(judge(claim).accepted) << claim.index << " in " << claim.size;
    ++count;
  });
  EXPECT_EQ(count, 70 * 71 / 2);
}

TEST_F(Inclusions, WithoutTheirLastElementAreRefused) {
  for_each_valid([&](Inclusion claim) {
    if (claim.proof.empty()) return;
    claim.proof.pop_back();
    EXPECT_EQ(judge(claim).code, Errc::invalid_input);
  });
}

TEST_F(Inclusions, WithAnElementAddedAreRefused) {
  for_each_valid([&](const Inclusion& valid) {
    Inclusion claim = valid;
    claim.proof.push_back(leaves_[0]);
    EXPECT_EQ(judge(claim).code, Errc::invalid_input);
    claim = valid;
    claim.proof.insert(claim.proof.begin(), leaves_[0]);
    EXPECT_EQ(judge(claim).code, Errc::invalid_input);
    claim = valid;
    claim.proof.push_back(claim.root);
    EXPECT_EQ(judge(claim).code, Errc::invalid_input);
  });
}

TEST_F(Inclusions, WithAByteFlippedInAnyElementAreRefused) {
  for_each_valid([&](const Inclusion& valid) {
    for (std::size_t i = 0; i < valid.proof.size(); ++i) {
      Inclusion claim = valid;
      claim.proof[i][(7 * i + claim.index) % 32] ^= 0x10;
      EXPECT_EQ(judge(claim).code, Errc::authentication_failed);
    }
  });
}

TEST_F(Inclusions, WithTwoElementsExchangedAreRefused) {
  for_each_valid([&](const Inclusion& valid) {
    for (std::size_t i = 1; i < valid.proof.size(); ++i) {
      Inclusion claim = valid;
      std::swap(claim.proof[i - 1], claim.proof[i]);
      EXPECT_EQ(judge(claim).code, Errc::authentication_failed);
    }
  });
}

TEST_F(Inclusions, OfAnotherLeafOrUnderAnotherRootAreRefused) {
  for_each_valid([&](const Inclusion& valid) {
    Inclusion claim = valid;
    claim.leaf = leaves_[valid.index + 1];
    EXPECT_EQ(judge(claim).code, Errc::authentication_failed);
    claim = valid;
    claim.root[31] ^= 0x01;
    EXPECT_EQ(judge(claim).code, Errc::authentication_failed);
  });
}

TEST_F(Inclusions, AtAnyOtherIndexAreRefused) {
  for_each_valid([&](const Inclusion& valid) {
    for (std::uint64_t index = 0; index < valid.size + 2; ++index) {
      if (index == valid.index) continue;
      Inclusion claim = valid;
      claim.index = index;
      EXPECT_FALSE(judge(claim).accepted) << valid.index << " in " << valid.size << " claimed at " << index;
      if (index >= valid.size) {
        EXPECT_EQ(judge(claim).code, Errc::invalid_input);
      }
    }
    Inclusion claim = valid;
    claim.index = ~std::uint64_t{0};
    EXPECT_EQ(judge(claim).code, Errc::invalid_input);
  });
}

// A path does not name the tree's size; the signed checkpoint does. With another size the same path leads to the same
// root exactly when it turns the same way at each level, and to no root otherwise.
TEST_F(Inclusions, UnderAnotherSizeAreAcceptedOnlyWhereThePathIsTheSame) {
  for_each_valid([&](const Inclusion& valid) {
    for (std::uint64_t size = 0; size <= size_max + 1; ++size) {
      if (size == valid.size) continue;
      Inclusion claim = valid;
      claim.size = size;
      const bool same_path = valid.index < size && path_shape(valid.index, size) == path_shape(valid.index, valid.size);
      EXPECT_EQ(judge(claim).accepted, same_path) << valid.index << " in " << valid.size << " claimed of " << size;
    }
  });
}

TEST_F(Inclusions, InAnEmptyTreeAreRefused) {
  EXPECT_EQ(judge(Inclusion{empty_root(), 0, 0, leaves_[0], {}}).code, Errc::invalid_input);
  EXPECT_EQ(judge(Inclusion{empty_root(), 0, 0, empty_root(), {}}).code, Errc::invalid_input);
}

TEST_F(Inclusions, LongerThanAnyTreeAreRefused) {
  // Coherent in every other respect: sixty-four left turns, a root computed from them, a size to match.
  for (const std::size_t length : {std::size_t{63}, std::size_t{64}, std::size_t{65}, std::size_t{1000}}) {
    Inclusion claim{leaves_[0], (std::uint64_t{1} << 62) + 1, 0, leaves_[0], std::vector<Digest>(length, leaves_[1])};
    for (const Digest& element : claim.proof) claim.root = node_hash(claim.root, element);
    EXPECT_EQ(judge(claim).accepted, length == 63) << length;
  }
}

TEST_F(Inclusions, InTreesOfTwoToTheSixtyThirdAreRefused) {
  Inclusion claim{leaves_[0], std::uint64_t{1} << 63, 0, leaves_[0], std::vector<Digest>(63, leaves_[1])};
  for (const Digest& element : claim.proof) claim.root = node_hash(claim.root, element);
  EXPECT_EQ(judge(claim).code, Errc::invalid_input);
  // One leaf less is a tree like any other.
  claim.size -= 1;
  EXPECT_TRUE(judge(claim).accepted);
  claim.size = ~std::uint64_t{0};
  EXPECT_EQ(judge(claim).code, Errc::invalid_input);
}

class Consistencies : public ::testing::Test {
 protected:
  const std::vector<Digest> leaves_ = some_leaves(size_max + 2);
  std::vector<Digest> roots_;
  Consistencies() {
    for (std::size_t size = 0; size <= size_max; ++size) roots_.push_back(naive_root(Leaves(leaves_).first(size)));
  }
  /// Every pair 0 < older < newer.
  template <class Each>
  void for_each_valid(const Each& each) const {
    for (std::size_t newer = 2; newer <= size_max; ++newer)
      for (std::size_t older = 1; older < newer; ++older)
        each(Consistency{older, roots_[older], newer, roots_[newer], naive_proof(older, Leaves(leaves_).first(newer))});
  }
};

TEST_F(Consistencies, OfEveryPairUpToSeventyAreAcceptedByBoth) {
  int count = 0;
  for_each_valid([&](const Consistency& claim) {
    EXPECT_TRUE(judge(claim).accepted) << claim.older << " to " << claim.newer;
    ++count;
  });
  EXPECT_EQ(count, 70 * 69 / 2);
}

TEST_F(Consistencies, WithoutTheirLastElementAreRefused) {
  for_each_valid([&](Consistency claim) {
    claim.proof.pop_back();
    EXPECT_EQ(judge(claim).code, Errc::invalid_input);
  });
}

TEST_F(Consistencies, WithoutAnyElementAreRefused) {
  for_each_valid([&](Consistency claim) {
    claim.proof.clear();
    EXPECT_EQ(judge(claim).code, Errc::invalid_input);
  });
}

TEST_F(Consistencies, WithAnElementAddedAreRefused) {
  for_each_valid([&](const Consistency& valid) {
    for (const Digest& extra : {leaves_[0], valid.older_root, valid.newer_root}) {
      Consistency claim = valid;
      claim.proof.push_back(extra);
      EXPECT_EQ(judge(claim).code, Errc::invalid_input);
      claim = valid;
      claim.proof.insert(claim.proof.begin(), extra);
      EXPECT_EQ(judge(claim).code, Errc::invalid_input);
    }
  });
}

TEST_F(Consistencies, WithAByteFlippedInAnyElementAreRefused) {
  for_each_valid([&](const Consistency& valid) {
    for (std::size_t i = 0; i < valid.proof.size(); ++i) {
      Consistency claim = valid;
      claim.proof[i][(5 * i + claim.older) % 32] ^= 0x80;
      EXPECT_EQ(judge(claim).code, Errc::authentication_failed);
    }
  });
}

TEST_F(Consistencies, WithRootsExchangedOrEitherRootWrongAreRefused) {
  for_each_valid([&](const Consistency& valid) {
    Consistency claim = valid;
    std::swap(claim.older_root, claim.newer_root);
    EXPECT_EQ(judge(claim).code, Errc::authentication_failed);
    claim = valid;
    claim.newer_root[0] ^= 0x01;
    EXPECT_EQ(judge(claim).code, Errc::authentication_failed);
    // The classic hole: a rewritten past under a proof that leads to the newer root.
    claim = valid;
    claim.older_root[0] ^= 0x01;
    EXPECT_EQ(judge(claim).code, Errc::authentication_failed);
  });
}

TEST_F(Consistencies, WithSizesExchangedAreRefused) {
  for_each_valid([&](Consistency claim) {
    std::swap(claim.older, claim.newer);
    EXPECT_EQ(judge(claim).code, Errc::invalid_input);
  });
}

TEST_F(Consistencies, UnderOtherSizesAreAcceptedOnlyWhereTheProofIsTheSame) {
  for_each_valid([&](const Consistency& valid) {
    for (std::uint64_t older = valid.older - 1; older <= valid.older + 1; ++older) {
      for (std::uint64_t newer = valid.newer - 1; newer <= valid.newer + 1; ++newer) {
        Consistency claim = valid;
        claim.older = older;
        claim.newer = newer;
        const bool same_proof =
            older > 0 && older < newer && proof_shape(older, newer) == proof_shape(valid.older, valid.newer);
        EXPECT_EQ(judge(claim).accepted, same_proof)
            << valid.older << " to " << valid.newer << " claimed as " << older << " to " << newer;
      }
    }
  });
}

TEST_F(Consistencies, OfATreeWithItselfNeedEqualRootsAndNoProof) {
  for (std::size_t size = 0; size <= size_max; ++size) {
    Consistency claim{size, roots_[size], size, roots_[size], {}};
    EXPECT_TRUE(judge(claim).accepted);
    claim.newer_root[3] ^= 0x01;
    EXPECT_EQ(judge(claim).code, Errc::authentication_failed);
    claim = {size, roots_[size], size, roots_[size], {roots_[size]}};
    EXPECT_EQ(judge(claim).code, Errc::invalid_input);
    claim.proof = {leaves_[0], leaves_[1]};
    EXPECT_EQ(judge(claim).code, Errc::invalid_input);
  }
}

TEST_F(Consistencies, WithTheEmptyTreeNeedNoProofAndTakeNone) {
  for (std::size_t newer = 1; newer <= size_max; ++newer) {
    Consistency claim{0, roots_[0], newer, roots_[newer], {}};
    EXPECT_TRUE(judge(claim).accepted);
    claim.proof = {roots_[newer]};
    EXPECT_EQ(judge(claim).code, Errc::invalid_input);
  }
}

TEST_F(Consistencies, LongerThanSixtyThreeAreRefused) {
  // From 3 to 2^62 + 1 the definition itself makes sixty-four elements: beyond what we serve or accept.
  const std::uint64_t newer = (std::uint64_t{1} << 62) + 1;
  const std::string shape = proof_shape(3, newer);
  ASSERT_EQ(shape.substr(0, 6), "first ");
  ASSERT_EQ(shape.size() - 6 + 1, 64U);
  const auto fold = [&](const std::string& sides, std::uint64_t claimed_newer) {
    Consistency claim{3, leaves_[0], claimed_newer, leaves_[0], {leaves_[0]}};
    for (std::size_t i = 0; i < sides.size(); ++i) {
      claim.proof.push_back(leaves_[i % 7 + 1]);
      const Digest& element = claim.proof.back();
      if (sides[i] == 'L') claim.older_root = node_hash(element, claim.older_root);
      claim.newer_root = sides[i] == 'L' ? node_hash(element, claim.newer_root) : node_hash(claim.newer_root, element);
    }
    return claim;
  };
  EXPECT_EQ(judge(fold(shape.substr(6), newer)).code, Errc::invalid_input);
  // One level less fits.
  EXPECT_TRUE(judge(fold(proof_shape(3, newer - 1).substr(6), newer - 1)).accepted);
}

TEST_F(Consistencies, UpToTwoToTheSixtyThirdAreRefused) {
  const auto fold = [&](std::uint64_t newer, std::size_t length) {
    Consistency claim{1, leaves_[0], newer, leaves_[0], std::vector<Digest>(length, leaves_[1])};
    for (const Digest& element : claim.proof) claim.newer_root = node_hash(claim.newer_root, element);
    return claim;
  };
  EXPECT_EQ(judge(fold(std::uint64_t{1} << 63, 63)).code, Errc::invalid_input);
  EXPECT_TRUE(judge(fold((std::uint64_t{1} << 63) - 1, 63)).accepted);
  const Consistency same{std::uint64_t{1} << 63, leaves_[0], std::uint64_t{1} << 63, leaves_[0], {}};
  EXPECT_EQ(judge(same).code, Errc::invalid_input);
}

TEST(Inclusion, IsCheckedAgainstTheSizeAndRootTheLogSigned) {
  const Receipt receipt = some_receipt({});
  const crypto::SigningKey key = key_of(1);
  const auto checkpoint = verify_checkpoint(receipt.checkpoint, verifier_of(log_origin, key));
  ASSERT_TRUE(checkpoint);
  const Digest leaf = leaf_hash(as_bytes(encode(receipt.leaf)));
  EXPECT_TRUE(verify_inclusion(*checkpoint, receipt.index, leaf, receipt.proof));
  EXPECT_EQ(verify_inclusion(*checkpoint, LeafIndex{12}, leaf, receipt.proof).error().code,
            Errc::authentication_failed);
  EXPECT_EQ(verify_inclusion(*checkpoint, LeafIndex{21}, leaf, receipt.proof).error().code, Errc::invalid_input);
}

}  // namespace
}  // namespace pli::audit::test
