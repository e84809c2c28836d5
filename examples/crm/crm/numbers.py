"""What the owners of the CRM ask for: who is active, what was made, what was done.

The one file that names Otelier; without it at work these numbers go nowhere.
"""

import time

import otelier

ACTIVE_SECONDS = 300

workflows_created = otelier.business_counter("workflow.created", unit="{workflow}")
actions_executed = otelier.business_counter("action.executed", unit="{action}")
bulk_enrolments = otelier.business_counter("enrolment.bulk", unit="{enrolment}")
contacts_enrolled = otelier.business_histogram(
    "enrolment.size", unit="{contact}", boundaries=(1, 10, 100, 1000)
)

_seen: dict[int, float] = {}


def saw(user_id: int) -> None:
    _seen[user_id] = time.monotonic()


def active_users() -> int:
    """Those who have asked for something in the last five minutes."""
    since = time.monotonic() - ACTIVE_SECONDS
    return sum(at >= since for at in list(_seen.values()))


otelier.business_gauge("user.active", unit="{user}", read=active_users)
