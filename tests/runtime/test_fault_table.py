"""The table of faults in the documentation holds."""

from __future__ import annotations

from statistics import median

import pytest

from runtime.fault_table import BEGIN, END, FAULTS, PAGE, Cost, FlushMode, costs

BUDGET = 0.5  # seconds, the default of LAMBDA_OTEL_FLUSH_TIMEOUT
MARGIN = 0.3  # seconds that a busy machine may add
REFUSED = 12  # spans of the invocations whose request was answered with a redirect
LOST = {"status 302": REFUSED, "SIGKILL without warning": 2}


@pytest.fixture(scope="module")
def found() -> dict[str, dict[FlushMode, Cost]]:
    return costs()


def documented() -> list[list[str]]:
    """The cells of the table's rows."""
    rows = PAGE.read_text().partition(BEGIN)[2].partition(END)[0].splitlines()[2:]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


def test_no_fault_changes_an_answer(found: dict[str, dict[FlushMode, Cost]]) -> None:
    assert [fault for fault, modes in found.items() if not all(cost.intact for cost in modes.values())] == []


def test_spans_are_lost_only_where_they_must_be(found: dict[str, dict[FlushMode, Cost]]) -> None:
    lost = {fault: {cost.lost for cost in modes.values()} for fault, modes in found.items()}
    assert lost == {fault: {LOST.get(fault, 0)} for fault in FAULTS}


def test_a_fault_costs_the_first_answer_no_more_than_the_budget_and_the_others_next_to_nothing(
    found: dict[str, dict[FlushMode, Cost]],
) -> None:
    first = {fault: modes["sync"].first for fault, modes in found.items()}
    assert all(seconds is None or seconds < BUDGET + MARGIN for seconds in first.values()), first
    following = [modes["sync"].following for modes in found.values()]
    seconds = [second for second in following if second is not None]
    assert median(seconds) < 0.005
    assert max(seconds) < 0.1


def test_after_the_answer_a_fault_costs_the_caller_nothing(found: dict[str, dict[FlushMode, Cost]]) -> None:
    seconds = [second for modes in found.values() for second in (modes["async"].first, modes["async"].following) if second is not None]
    assert median(seconds) < 0.005
    assert max(seconds) < 0.2


def test_the_page_names_every_fault_and_what_is_lost() -> None:
    assert [(row[0], row[1], row[-1]) for row in documented()] == [
        (fault, "as without tracing", str(LOST.get(fault, 0))) for fault in FAULTS
    ]
