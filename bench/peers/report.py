"""What bench/peers/run makes of its figures: percentiles, medians over rounds, ratios, one table, one picture. Pure.

A turn is one server in one round: a dict of measure to number. A server's results are the list of its turns.
"""
import html
import math
import re
import statistics

MORE, LESS = "more", "less"  # which way is better

# measure: (what it is, unit, which way is better)
MEASURES = {
    "accepted": ("accepted, 16 senders × 64 in flight", "/s", MORE),
    "accepted_verified": ("the same, a consumer verifies each signature", "/s", MORE),
    "one_p50": ("one in flight, p50", "µs", LESS),
    "one_p99": ("one in flight, p99", "µs", LESS),
    "paced_p50": ("acknowledged at 500/s, p50", "µs", LESS),
    "paced_p99": ("acknowledged at 500/s, p99", "µs", LESS),
    "paced_cpu": ("server CPU per 10,000 at 500/s", "s", LESS),
    "paced_cpu_verified": ("the same, with the consumer that verifies", "s", LESS),
    "delivered_1": ("delivered to 1, acknowledged", "/s", MORE),
    "delivered_10": ("delivered to 10, acknowledged by all", "/s", MORE),
    "delivered_10_headers": ("the same, messages of a header's size", "/s", MORE),
    "delivered_10_headers_verified": ("the same, one signature verified for each", "/s", MORE),
    "resident_idle": ("resident, idle", "MiB", LESS),
    "resident_after": ("resident, with the accepted messages", "MiB", LESS),
    "disk": ("disk per accepted message", "bytes", LESS),
    "start": ("start on an empty folder", "ms", LESS),
    "restart": ("start with the accepted messages", "ms", LESS),
}

# Pli always verifies and always delivers headers: one figure stands beside several of a peer's.
PLI_MEASURES_AS = {
    "accepted_verified": "accepted",
    "paced_cpu_verified": "paced_cpu",
    "delivered_10_headers": "delivered_10",
    "delivered_10_headers_verified": "delivered_10",
}

COLOURS = ["#1b6ca8", "#c8553d", "#3a7d44", "#8f5aa8", "#b8860b", "#555555"]


def percentile(histogram, share):
    """The value that `share` of the counted values do not exceed; [[value, count], …] rising. None when empty."""
    total = sum(count for _, count in histogram)
    if total == 0:
        return None
    rank = max(1, math.ceil(share * total))
    for value, count in histogram:
        rank -= count
        if rank <= 0:
            return value
    return histogram[-1][0]


def spread(values):
    """(median, least, most) of what was measured, None left out; None when nothing was."""
    there = [value for value in values if value is not None]
    return (statistics.median(there), min(there), max(there)) if there else None


def pli_turn(measured):
    """A turn of Pli with the figures that stand beside several of a peer's."""
    turn = dict(measured)
    for measure, same_as in PLI_MEASURES_AS.items():
        turn[measure] = measured.get(same_as)
    return turn


def ahead(measure, pli, peer):
    """How many times Pli is ahead of the peer: above 1 whichever way is better. None when either is missing or zero."""
    if not pli or not peer:
        return None
    return pli / peer if MEASURES[measure][2] == MORE else peer / pli


def number(value):
    """Three digits that count, thousands apart."""
    if value is None:
        return "–"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def cell(values, ratio=None):
    found = spread(values)
    if found is None:
        return "–"
    text = number(found[0])
    if found[1] != found[2]:
        text += f" ({number(found[1])}–{number(found[2])})"
    return text if ratio is None else f"{text} **×{factor(ratio)}**"


def factor(ratio):
    """Two digits that count."""
    return f"{ratio:,.0f}" if ratio >= 10 else f"{ratio:.2g}"


def ratios(results, name, measure):
    """Of the medians, as ahead() counts."""
    pli = spread(turn.get(measure) for turn in results["pli"])
    peer = spread(turn.get(measure) for turn in results[name])
    return ahead(measure, pli and pli[0], peer and peer[0])


def table(results, titles, crashes):
    """One Markdown table: measures down, servers across, Pli first. `titles` gives the order of the columns."""
    names = [name for name in titles if name in results]
    lines = ["| measure | " + " | ".join(titles[name] for name in names) + " |", "|---" * (len(names) + 1) + "|"]
    for measure, (what, unit, _) in MEASURES.items():
        cells = []
        for name in names:
            values = [turn.get(measure) for turn in results[name]]
            cells.append(cell(values, None if name == "pli" else ratios(results, name, measure)))
        if any(one != "–" for one in cells):
            lines.append(f"| {what}, {unit} | " + " | ".join(cells) + " |")
    if crashes:
        trials = max(len(each) for each in crashes.values())
        lines.append(f"| acknowledged and lost after kill -9, {trials} trial(s) | " + " | ".join(lost(crashes.get(name)) for name in names) + " |")
    return "\n".join(lines) + "\n"


def lost(trials):
    """Over all trials: lost of acknowledged."""
    if not trials:
        return "–"
    gone = sum(trial["lost"] for trial in trials)
    return f"{gone:,} of {sum(trial['confirmed'] for trial in trials):,}"


def picture(results, titles, hollow):
    """An SVG: for each measure the peers on one logarithmic scale of how many times Pli is ahead, 1 in the middle.

    `hollow` names the servers whose acknowledgement does not wait for the disk.
    """
    names = [name for name in titles if name in results and name != "pli"]
    rows = []
    for measure, (what, _, _) in MEASURES.items():
        found = {name: ratios(results, name, measure) for name in names}
        if any(found.values()):
            rows.append((what, found))
    reach = max((abs(math.log10(r)) for _, found in rows for r in found.values() if r), default=1)
    decades = max(1, math.ceil(reach))
    left, right, top, step = 330, 30, 70, 24
    width = 900
    middle = left + (width - left - right) / 2
    scale = (width - left - right) / 2 / decades
    bottom = top + step * max(1, len(rows))
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{bottom + 40}" '
        f'viewBox="0 0 {width} {bottom + 40}" font-family="sans-serif" font-size="12">',
        f'<rect width="{width}" height="{bottom + 40}" fill="#ffffff"/>',
        f'<text x="{left}" y="18">peer ahead ←</text>',
        f'<text x="{width - right}" y="18" text-anchor="end">→ Pli ahead</text>',
    ]
    for i, name in enumerate(names):
        x = 12 + i * 170
        out.append(dot(x, 40, COLOURS[i % len(COLOURS)], name in hollow))
        out.append(f'<text x="{x + 10}" y="44">{html.escape(titles[name])}</text>')
    for power in range(-decades, decades + 1):
        x = middle + power * scale
        stroke = "#333333" if power == 0 else "#dddddd"
        label = f"×{10 ** power:g}" if power else "Pli"
        out.append(f'<line x1="{x:.1f}" y1="{top - 12}" x2="{x:.1f}" y2="{bottom}" stroke="{stroke}"/>')
        out.append(f'<text x="{x:.1f}" y="{bottom + 18}" text-anchor="middle">{label}</text>')
    for row, (what, found) in enumerate(rows):
        y = top + row * step
        out.append(f'<text x="{left - 12}" y="{y + 4}" text-anchor="end">{html.escape(what)}</text>')
        for i, name in enumerate(names):
            if found[name]:
                x = middle + math.log10(found[name]) * scale
                out.append(dot(x, y, COLOURS[i % len(COLOURS)], name in hollow))
    return "\n".join(out) + "\n</svg>\n"


def dot(x, y, colour, is_hollow):
    fill = "#ffffff" if is_hollow else colour
    return f'<circle cx="{x:.1f}" cy="{y}" r="5" fill="{fill}" stroke="{colour}" stroke-width="2"/>'


def sync_calls(summary):
    """Calls in all, of strace's summary (strace -c)."""
    rows = re.finditer(r"^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$", summary, re.MULTILINE)
    return sum(int(row[1]) for row in rows if row[2] != "total")


def with_section(text, name, body):
    """`text` with what stands between the section's two marks replaced by `body`. ValueError without the marks."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    before, found, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"no marks of the section {name}")
    return f"{before}{begin}\n{body.strip()}\n{end}{after}"
