#include "client/case_list.hpp"

#include <set>

namespace pli::client {

Outcome<std::vector<protocol::CaseItem>> list_cases(Session& session) {
  std::vector<protocol::CaseItem> out;
  protocol::ListCases ask;
  std::set<Digest> asked;
  // Each page looks through scan_cases_max cases at least or is full; beyond this many a broker only keeps us busy.
  constexpr std::size_t pages_max = 4096;
  while (asked.size() < pages_max) {
    auto page = session.ask<protocol::Cases>(ask);
    if (!page) return page.error();
    out.insert(out.end(), page->items.begin(), page->items.end());
    if (!page->more) return out;
    // A page without a case of ours is fine, one that leads nowhere new is not: asking would never end.
    if (!asked.insert(page->next).second)
      return Failure(protocol::LocalCode::unreachable, "pages of cases go in circles");
    ask.after = page->next;
  }
  return Failure(protocol::LocalCode::unreachable, "the list of cases does not end");
}

}  // namespace pli::client
