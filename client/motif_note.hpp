// The free line of a motif, which its writer sealed to the auditors and nobody else: the broker holds ciphertext.
#pragma once

#include <string>

#include "base/bytes.hpp"
#include "client/profile.hpp"

namespace pli::client {

enum class NoteState {
  opened,
  not_ours,  ///< sealed to other auditors: those of the directory its writer held
  damaged,   ///< not an age file to keys, or not one padded line
};
struct MotifNote {
  NoteState state = NoteState::damaged;
  std::string text;  ///< as its writer typed it: to be made printable before it is shown
};
/// Tries the present key and those it replaced. Safe on hostile input.
[[nodiscard]] MotifNote open_motif_note(ByteView sealed, const Keys& keys);
[[nodiscard]] const char* text_of(NoteState state);  ///< "opened", for scripts
[[nodiscard]] const char* french(NoteState state);   ///< why there is nothing to read; for `opened` nothing

}  // namespace pli::client
