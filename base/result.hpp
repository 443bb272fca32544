// Result<T>: a value or the reason there is none. Spelt like std::expected, so C++23 costs an alias.
// We fail -> invariant(); the world fails -> Result.
#pragma once

#include <cstdlib>
#include <string>
#include <utility>
#include <variant>

namespace pli {

/// What the caller should *do*. Tests match these, never the text.
enum class Errc {
  invalid_input,          ///< reject it; trying again with the same bytes cannot help
  over_limit,             ///< a named limit was passed; send less or slow down
  authentication_failed,  ///< drop it; alike for wrong key, wrong binding or altered byte
  unavailable,            ///< try again later
  not_found,              ///< nothing there, or nothing you may see
  conflict,               ///< something else already stands under this name
  io_error,               ///< stop; the disk's state is unknown
  corruption,             ///< stop; what is stored contradicts itself
};

[[nodiscard]] const char* name_of(Errc code);

/// `detail` is for logs and developers: our own words, never bytes a peer supplied.
struct Error {
  Errc code;
  std::string detail;
};

/// A value or an error. `E` is Error except where a format demands its own classes (age).
template <class T, class E = Error>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}  // NOLINT: implicit on purpose
  Result(E error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT: implicit on purpose

  [[nodiscard]] bool has_value() const { return state_.index() == 0; }
  explicit operator bool() const { return has_value(); }

  /// Reading the value of a failure is our own mistake: it terminates, in release too.
  T& value() & {
    check(0);
    return *std::get_if<0>(&state_);
  }
  const T& value() const& {
    check(0);
    return *std::get_if<0>(&state_);
  }
  T&& value() && {
    check(0);
    return std::move(*std::get_if<0>(&state_));
  }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  const E& error() const& {
    check(1);
    return *std::get_if<1>(&state_);
  }
  E&& error() && {
    check(1);
    return std::move(*std::get_if<1>(&state_));
  }

 private:
  void check(std::size_t wanted) const {
    if (state_.index() != wanted) std::abort();
  }
  std::variant<T, E> state_;
};

template <class E>
class [[nodiscard]] Result<void, E> {
 public:
  Result() = default;
  Result(E error) : error_(std::in_place_index<1>, std::move(error)) {}  // NOLINT: implicit on purpose
  [[nodiscard]] bool has_value() const { return error_.index() == 0; }
  explicit operator bool() const { return has_value(); }
  void value() const {
    if (!has_value()) std::abort();
  }
  const E& error() const& {
    if (has_value()) std::abort();
    return *std::get_if<1>(&error_);
  }

 private:
  std::variant<std::monostate, E> error_;
};

/// Terminates when our own reasoning is wrong, in release too: going on could leak or lose.
void invariant_failed(const char* condition, const char* file, int line) noexcept;

}  // namespace pli

#define PLI_INVARIANT(condition) \
  ((condition) ? static_cast<void>(0) : ::pli::invariant_failed(#condition, __FILE__, __LINE__))
