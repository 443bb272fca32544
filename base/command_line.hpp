// What a program says of a command line it cannot obey, in English: the word at fault, if its parser did not name it,
// and where its help is.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace pli {

/// `why`: the parser's own words. `verb`: the one that was understood, or empty. `strangers`: words the parser made
/// nothing of; the first option among them is most often what was misspelt, else what stands where a verb should.
/// Control characters typed do not reach the terminal.
[[nodiscard]] inline std::string misused(std::string_view program, std::string_view why, std::string_view verb,
                                         const std::vector<std::string>& strangers) {
  const std::string name(program);
  std::string out = name + ": " + std::string(why);
  for (const std::string& word : strangers) {
    const bool option = word.size() > 1 && word.front() == '-';
    if (!option && !verb.empty()) continue;  // the parser names it
    out = name + (option ? ": unknown option \"" : ": unknown command \"") + word + '"';
    break;
  }
  for (char& c : out)
    if (static_cast<unsigned char>(c) < ' ' || c == 0x7f) c = '?';
  return out + "\n  next: " + name + (verb.empty() ? "" : " " + std::string(verb)) + " --help\n";
}

}  // namespace pli
