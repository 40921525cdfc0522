"""What a log of interactions is like."""

from __future__ import annotations

from collections.abc import Mapping

from harness.datasets.audit.finding import Finding

SHORT = 0.5
"""More users with one event, or more events at one time, than this share of a log: a note."""


def log_findings(figures: Mapping[str, float]) -> list[Finding]:
    """What a log of interactions is like, for a look beside one's own.

    Args:
        figures: of `harness.tasks.recommendation.audit.audit_log`.
    """
    f = figures
    found = [
        Finding(
            "size", "good",
            f"{f['users']:.0f} users, {f['items']:.0f} items, {f['events']:.0f} events in "
            f"{f['days']:.1f} days; {f['density']:.2%} of all pairs of user and item",
            dict(figures),
        ),
        Finding(
            "popularity", "good",
            f"Gini of events over items {f['gini_clicks']:.2f} (0: all alike, 1: one has them all); "
            f"{f['items_without_event']:.0%} of the items have no event",
        ),
        Finding(
            "short histories", "note" if f["users_with_at_most_1_event"] > SHORT else "good",
            f"{f['users_with_at_most_1_event']:.0%} of the users have at most one event, "
            f"{f['users_with_at_most_4_events']:.0%} at most four: of these a recommender learns little",
        ),
        Finding(
            "tied times", "note" if f["tied_times"] > SHORT else "good",
            f"{f['tied_times']:.0%} of the events have the same user and time as another one: "
            "their order means nothing",
        ),
    ]  # fmt: skip
    if "impressions" in f:
        found += [
            Finding(
                "pages", "good",
                f"{f['impressions']:.0f} items shown, {f['ctr']:.2%} clicked; the last slot is clicked "
                f"{f['ctr_last_slot_to_first']:.2f} times as often as the first; Gini of what was shown "
                f"{f['gini_impressions']:.2f}",
            ),
            Finding(
                "visits", "good",
                f"a visit has {f['pages_per_session']:.1f} pages, {f['clicks_per_session']:.2f} clicks and "
                f"{f['orders_per_session']:.3f} orders of {f['revenue_per_session_usd']:.2f} USD together; "
                f"{f['orders_per_click']:.1%} of the clicks end in an order",
            ),
        ]  # fmt: skip
    return found
