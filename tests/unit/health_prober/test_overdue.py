"""A lease is overdue when others were renewed again and again and it was not."""

from __future__ import annotations

from health_prober.overdue import Overdue


def test_a_lease_that_is_not_renewed_is_overdue_after_the_limit() -> None:
    overdue = Overdue(3)
    looks = [overdue.after_renewal({"dead": 7, "alive": 10 + number}) for number in range(5)]
    assert looks == [{}, {}, {}, {"dead": 7}, {"dead": 7}]


def test_a_renewal_or_a_doubtful_picture_starts_the_count_anew() -> None:
    overdue = Overdue(2)
    pictures = [{"p": 1}, {"p": 1}, {"p": 2}, {"p": 2}, {}, {"p": 2}, {"p": 2}, {"p": 2}]
    assert [bool(overdue.after_renewal(picture)) for picture in pictures] == [False] * 7 + [True]
