#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/wire_format_lite.h>
#include <algorithm>
#include <array>
#include <limits>

#include "protocol/form_content.hpp"

// A form as it is sealed: the messages of form.proto, written and read by the one list of fields that `visit` is, upon
// libprotobuf's own primitives. The code that protoc makes of form.proto is what the tests hold this against.

namespace pli::protocol {
namespace {

using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;
using google::protobuf::io::CodedOutputStream;
using google::protobuf::io::StringOutputStream;

/// Fields of one message, each element of a list counted: more than any form has.
constexpr std::size_t message_fields_max = 64;

class ProtobufWriter {
 public:
  explicit ProtobufWriter(CodedOutputStream& out) : out_(out) {}

  void choice(const Field& field, int& value, Choices, Need) {
    if (value != 0) number(field, static_cast<std::uint32_t>(value));
  }
  void choices(const Field& field, std::vector<int>& values, Choices, Need) {
    for (int value : values) number(field, static_cast<std::uint32_t>(value));
  }
  void line(const Field& field, std::string& value, Line, Need) {
    if (!value.empty()) string(field, value);
  }
  void text(const Field& field, std::string& value, Need) {
    if (!value.empty()) string(field, value);
  }
  void date(const Field& field, std::uint32_t& value, When, Need) {
    if (value != 0) number(field, value);
  }
  template <class T>
  void object(const Field& field, std::optional<T>& value, Need) {
    if (value) string(field, written(*value));
  }
  template <class T>
  void list(const Field& field, std::vector<T>& values, std::size_t) {
    for (T& value : values) string(field, written(value));
  }

  template <class T>
  static std::string written(T& value) {
    std::string bytes;
    StringOutputStream stream(&bytes);
    CodedOutputStream out(&stream);
    ProtobufWriter writer(out);
    visit(writer, value);
    out.Trim();
    return bytes;
  }

 private:
  void number(const Field& field, std::uint32_t value) {
    out_.WriteTag(WireFormatLite::MakeTag(field.number, WireFormatLite::WIRETYPE_VARINT));
    out_.WriteVarint32(value);
  }
  void string(const Field& field, const std::string& value) {
    out_.WriteTag(WireFormatLite::MakeTag(field.number, WireFormatLite::WIRETYPE_LENGTH_DELIMITED));
    out_.WriteVarint32(static_cast<std::uint32_t>(value.size()));
    out_.WriteString(value);
  }
  CodedOutputStream& out_;
};

/// Takes the fields of one message; what is left at the end this version does not know.
class ProtobufReader {
 public:
  void choice(const Field& field, int& out, Choices list, Need) {
    if (const Raw* raw = take(field.number, WireFormatLite::WIRETYPE_VARINT)) out = value_in(list, raw->value);
  }
  void choices(const Field& field, std::vector<int>& out, Choices list, Need) {
    while (const Raw* raw = take(field.number, WireFormatLite::WIRETYPE_VARINT))
      out.push_back(value_in(list, raw->value));
  }
  void line(const Field& field, std::string& out, Line, Need) { string(field, out); }
  void text(const Field& field, std::string& out, Need) { string(field, out); }
  void date(const Field& field, std::uint32_t& out, When, Need) {
    const Raw* raw = take(field.number, WireFormatLite::WIRETYPE_VARINT);
    if (raw == nullptr) return;
    if (raw->value > std::numeric_limits<std::uint32_t>::max()) known_ = false;
    out = static_cast<std::uint32_t>(raw->value);
  }
  template <class T>
  void object(const Field& field, std::optional<T>& out, Need) {
    if (const Raw* raw = take(field.number, WireFormatLite::WIRETYPE_LENGTH_DELIMITED))
      known_ = read(raw->bytes, out.emplace()) && known_;
  }
  template <class T>
  void list(const Field& field, std::vector<T>& out, std::size_t) {
    while (const Raw* raw = take(field.number, WireFormatLite::WIRETYPE_LENGTH_DELIMITED))
      known_ = read(raw->bytes, out.emplace_back()) && known_;
  }

  /// Whether it knew every field and value it met, each single one there once at most.
  template <class T>
  static bool read(ByteView bytes, T& out) {
    ProtobufReader reader;
    if (!reader.split(bytes)) return false;
    visit(reader, out);
    return reader.known_ &&
           std::all_of(reader.raws_.begin(), reader.raws_.end(), [](const Raw& raw) { return raw.taken; });
  }

 private:
  struct Raw {
    int number = 0;
    WireFormatLite::WireType type = WireFormatLite::WIRETYPE_VARINT;
    std::uint64_t value = 0;
    ByteView bytes = {};
    bool taken = false;
  };

  bool split(ByteView bytes) {
    if (bytes.empty()) return true;
    CodedInputStream in(bytes.data(), static_cast<int>(bytes.size()));
    while (const std::uint32_t tag = in.ReadTag()) {
      if (raws_.size() == message_fields_max) return false;
      Raw& raw = raws_.emplace_back();
      raw.number = WireFormatLite::GetTagFieldNumber(tag);
      raw.type = WireFormatLite::GetTagWireType(tag);
      if (raw.type == WireFormatLite::WIRETYPE_VARINT) {
        if (!in.ReadVarint64(&raw.value)) return false;
      } else if (raw.type == WireFormatLite::WIRETYPE_LENGTH_DELIMITED) {
        std::uint32_t size = 0;
        if (!in.ReadVarint32(&size)) return false;
        const auto at = static_cast<std::size_t>(in.CurrentPosition());
        if (size > bytes.size() - at || !in.Skip(static_cast<int>(size))) return false;
        raw.bytes = bytes.subspan(at, size);
      } else {
        return false;
      }
    }
    return in.ConsumedEntireMessage();
  }

  const Raw* take(int number, WireFormatLite::WireType type) {
    for (Raw& raw : raws_) {
      if (raw.taken || raw.number != number || raw.type != type) continue;
      raw.taken = true;
      return &raw;
    }
    return nullptr;
  }

  int value_in(Choices list, std::uint64_t value) {
    for (const Choice& choice : list)
      if (static_cast<std::uint64_t>(choice.number) == value) return choice.number;
    known_ = false;
    return 0;
  }

  void string(const Field& field, std::string& out) {
    if (const Raw* raw = take(field.number, WireFormatLite::WIRETYPE_LENGTH_DELIMITED)) out = as_text(raw->bytes);
  }

  std::vector<Raw> raws_;
  bool known_ = true;
};

}  // namespace

Bytes to_protobuf(Content content) {
  return std::visit([](auto& form) { return to_bytes(as_bytes(ProtobufWriter::written(form))); }, content);
}

std::optional<Content> from_protobuf(Kind kind, ByteView bytes) {
  auto content = content_of(kind);
  if (!content) return std::nullopt;
  if (!std::visit([bytes](auto& form) { return ProtobufReader::read(bytes, form); }, *content)) return std::nullopt;
  return content;
}

}  // namespace pli::protocol
