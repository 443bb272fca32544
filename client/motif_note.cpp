#include "client/motif_note.hpp"

#include "crypto/age_open.hpp"
#include "protocol/limits.hpp"

namespace pli::client {

MotifNote open_motif_note(ByteView sealed, const Keys& keys) {
  const auto damaged = [] { return MotifNote{NoteState::damaged, {}}; };
  if (sealed.size() > protocol::sealed_note_bytes_max) return damaged();
  std::vector<const crypto::SecretKey*> secrets{&keys.current.age_secret()};
  for (const crypto::Identity& former : keys.former) secrets.push_back(&former.age_secret());
  for (const crypto::SecretKey* secret : secrets) {
    auto opened = crypto::opening::open_bytes(sealed, {{secret, 1}, nullptr});
    if (!opened) {
      if (opened.error() == crypto::opening::AgeFailure::no_match) continue;
      return damaged();
    }
    auto text = crypto::unpad(*opened);
    crypto::wipe(*opened);
    if (!text || text->size() > protocol::note_text_bytes_max) return damaged();
    MotifNote note{NoteState::opened, std::string(as_text(*text))};
    crypto::wipe(*text);
    return note;
  }
  return {NoteState::not_ours, {}};
}

const char* text_of(NoteState state) {
  switch (state) {
    case NoteState::opened: return "opened";
    case NoteState::not_ours: return "not_ours";
    case NoteState::damaged: return "damaged";
  }
  return "damaged";
}

const char* french(NoteState state) {
  switch (state) {
    case NoteState::opened: return "";
    case NoteState::not_ours: return "scellée à d'autres auditeurs, illisible avec votre clé";
    case NoteState::damaged: return "illisible : ce n'est pas une note scellée à des clés d'auditeurs";
  }
  return "";
}

}  // namespace pli::client
