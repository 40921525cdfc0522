"""How real a log looks: the figures that a shop's analyst would compare with their own."""

from __future__ import annotations

import numpy as np

from harness.datasets.interactions import Interactions
from harness.tasks.recommendation.metrics import gini


def audit_log(data: Interactions) -> dict[str, float]:
    """Figures of a log; those that need impressions are left out where there are none.

    Returns:
        counts, density, Gini over items, shares of users with no more than 1 or 4 events; with
        impressions also CTR, its fall over the slots, orders per click, and what sessions look like.
    """
    events = data.events
    per_user = np.bincount(events.user, minlength=len(data.users))
    per_item = np.bincount(events.item, minlength=len(data.catalogue))
    figures: dict[str, float] = {
        "users": len(data.users),
        "items": len(data.catalogue),
        "events": len(events),
        "density": len(events) / max(len(data.users) * len(data.catalogue), 1),
        "days": float(np.ptp(events.time)) if len(events) else 0.0,
        "gini_clicks": gini(per_item),
        "users_with_at_most_1_event": float(np.mean(per_user <= 1)),
        "users_with_at_most_4_events": float(np.mean(per_user <= 4)),
        "items_without_event": float(np.mean(per_item == 0)),
        "tied_times": _tied(events.user, events.time),
    }
    shown = data.impressions
    if shown is not None and len(shown):
        sessions = np.unique(shown.session)
        pages = len(np.unique(shown.request)) / len(sessions)
        slots = [shown.clicked[shown.position == k].mean() for k in (0, int(shown.position.max()))]
        figures |= {
            "impressions": len(shown),
            "ctr": float(shown.clicked.mean()),
            "ctr_last_slot_to_first": float(slots[1] / slots[0]) if slots[0] else float("nan"),
            "orders_per_click": float(shown.bought.sum() / max(shown.clicked.sum(), 1)),
            "orders_per_session": float(shown.bought.sum() / len(sessions)),
            "revenue_per_session_usd": float(shown.price[shown.bought].sum() / len(sessions)),
            "pages_per_session": pages,
            "clicks_per_session": float(shown.clicked.sum() / len(sessions)),
            "gini_impressions": gini(np.bincount(shown.item, minlength=len(data.catalogue))),
        }
    return figures


def _tied(user: np.ndarray, time: np.ndarray) -> float:
    """Share of events that have the same user and time as another one."""
    if not len(user):
        return 0.0
    order = np.lexsort((time, user))
    same = (np.diff(user[order]) == 0) & (np.diff(time[order]) == 0)
    return float(np.mean(np.r_[False, same] | np.r_[same, False]))
