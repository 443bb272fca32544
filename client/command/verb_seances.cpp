// pli directory seances: when an instance sits, as the authority sets it.
#include <CLI/CLI.hpp>

#include "base/paris_time.hpp"
#include "client/authority.hpp"
#include "client/command/program.hpp"
#include "client/command/screen.hpp"

namespace pli::client::command {
namespace {

namespace fs = std::filesystem;
using protocol::Language;
using protocol::SeanceCalendar;

constexpr int shown_ahead_days = 92;

int failed(const Sitting& sitting, const Failure& failure) { return report(sitting, failure, Language::english); }
int misused(const Sitting& sitting, std::string_view words) { return usage_error(sitting, words, Language::english); }

struct SeancesOptions {
  fs::path authority;
  std::string queue;
  std::optional<std::string> from;
  std::optional<std::uint32_t> every;
  std::vector<std::string> added, cancelled;
  bool none = false;

  [[nodiscard]] bool change() const { return from || every || none || !added.empty() || !cancelled.empty(); }
};

std::vector<std::string> iso(const std::vector<Day>& days) {
  std::vector<std::string> out;
  for (const Day day : days) out.push_back(iso_day(day));
  return out;
}

std::string joined(const std::vector<std::string>& texts) {
  std::string out;
  for (const std::string& text : texts) out += (out.empty() ? "" : ", ") + text;
  return out.empty() ? "none" : out;
}

void show(const Sitting& sitting, const std::string& queue, const std::optional<SeanceCalendar>& calendar, Day today) {
  const std::vector<std::string> next =
      calendar ? iso(seances_between(*calendar, today, today + std::chrono::days(shown_ahead_days)))
               : std::vector<std::string>();
  if (sitting.json()) {
    JsonObject out;
    out.text("queue", queue);
    if (!calendar) return out.null("from").print();
    out.text("from", iso_day(calendar->first))
        .number("every_days", calendar->every_days)
        .texts("added", iso(calendar->added))
        .texts("cancelled", iso(calendar->struck))
        .texts("next", next)
        .print();
    return;
  }
  if (!calendar) return say(queue + " has no calendar: pli directory seances " + queue + " --from DATE");
  say(queue + " sits every " + std::to_string(calendar->every_days) + " days from " + iso_day(calendar->first) +
      " on.");
  say("  Added: " + joined(iso(calendar->added)));
  say("  Cancelled: " + joined(iso(calendar->struck)));
  say("  In the " + std::to_string(shown_ahead_days) + " days to come: " + joined(next));
}

/// Why the days typed cannot be obeyed; empty once the calendar says them.
std::string change(std::optional<SeanceCalendar>& calendar, const SeancesOptions& options, protocol::QueueKind kind) {
  constexpr const char* written = "a day is written 2026-12-03";
  if (options.none) {
    calendar.reset();
    return {};
  }
  if (options.from || options.every) {
    SeanceCalendar anew;
    const auto from = options.from ? parse_day(*options.from) : std::nullopt;
    if (options.from && !from) return written;
    if (!from && !calendar) return "a calendar begins with --from";
    anew.first = from.value_or(calendar ? calendar->first : Day{});
    const auto every = options.every ? options.every
                       : calendar    ? std::optional(calendar->every_days)
                                     : protocol::usual_cadence(kind);
    if (!every) return "no text has a cadence for this instance: --every DAYS";
    anew.every_days = *every;
    calendar = anew;
    if (std::string flaw = protocol::flaw_of(*calendar); !flaw.empty()) return flaw;
  }
  if (!calendar) return "this instance has no calendar yet: --from DATE, and --every DAYS";
  for (const std::string& text : options.added) {
    const auto day = parse_day(text);
    if (!day) return written;
    protocol::add_seance(*calendar, *day);
  }
  for (const std::string& text : options.cancelled) {
    const auto day = parse_day(text);
    if (!day) return written;
    if (!protocol::is_seance(*calendar, *day)) return "no séance on " + iso_day(*day) + " to cancel";
    protocol::strike_seance(*calendar, *day);
  }
  return {};
}

int seances(Sitting& sitting, const SeancesOptions& options) {
  auto authority = Authority::open(options.authority);
  if (!authority) return failed(sitting, authority.error());
  const protocol::Queue* queue = authority->directory().queue(options.queue);
  if (queue == nullptr) return misused(sitting, "no such queue in the directory: " + options.queue);
  if (!protocol::has_seances(queue->kind)) return misused(sitting, "only an instance has séances: ged/, clir/, cpraf/");
  std::optional<SeanceCalendar> calendar = queue->seances;
  if (options.change()) {
    if (const std::string wrong = change(calendar, options, queue->kind); !wrong.empty())
      return misused(sitting, wrong);
    if (auto set = authority->draft().set_seances(options.queue, calendar); !set) return failed(sitting, set.error());
    if (auto saved = authority->save(); !saved) return failed(sitting, saved.error());
  }
  show(sitting, options.queue, calendar, paris_time(sitting.clock().now()).day);
  if (options.change() && !sitting.json()) say("In force once signed and published.");
  return 0;
}

}  // namespace

void add_directory_seances(CLI::App& group, Sitting& sitting, Verdict& verdict) {
  auto options = std::make_shared<SeancesOptions>();
  auto* verb = group.add_subcommand("seances", "Show when an instance sits, or set it");
  verb->footer(
      "Example: pli directory seances ged/89 --authority yonne/authority --from 2026-12-03 --every 15\n"
      "--from or --every begin a cadence and forget the days added or cancelled before; --add and --cancel alone keep "
      "it.");
  verb->add_option("queue", options->queue, "The instance: ged/89")->required();
  verb->add_option("--authority", options->authority, "The authority's folder")->required();
  verb->add_option("--from", options->from, "First day of the cadence, 2026-12-03");
  verb->add_option("--every", options->every, "Days from one séance to the next (15 for a GED, 30 for a CLIR)")
      ->check(CLI::Range(std::uint32_t{1}, protocol::seance_cadence_days_max));
  verb->add_option("--add", options->added, "Day on which it sits besides; may be given several times")
      ->allow_extra_args(false);
  verb->add_option("--cancel", options->cancelled, "Day on which it does not sit; may be given several times")
      ->allow_extra_args(false);
  verb->add_flag("--none", options->none, "Give the calendar up");
  verb->callback([&sitting, &verdict, options] { verdict.exit_code = seances(sitting, *options); });
}

}  // namespace pli::client::command
