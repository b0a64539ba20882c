"""Statements as texts: quoting, durations, and the comparison of statements."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bat2influx.influx import influxql
from bat2influx.influx.influxql import DAY, FOREVER, HOUR


@given(st.text())
@example('"; DROP DATABASE "battery')
@example("\\")
@example("a\nb")
def test_a_quoted_name_is_one_token_and_reads_back(text: str) -> None:
    """Whatever a name contains, nothing leaves its quotes."""
    statement = f"GRANT WRITE ON {influxql.quote_name(text)} TO {influxql.quote_name('u')}"
    assert influxql.tokens(statement) == ("GRANT", "WRITE", "ON", text, "TO", "u")


@given(st.text())
@example("'; DROP DATABASE battery; --")
@example("\\'")
def test_a_quoted_string_is_one_token(text: str) -> None:
    """Whatever a password contains, nothing leaves its quotes."""
    quoted = influxql.quote_string(text)
    assert influxql.tokens(f"{quoted} END") == (quoted, "END")


@given(st.text(min_size=1).filter(lambda text: text not in "CREATE USER WITH PASSWORD '…'"))
def test_a_password_is_in_no_printed_statement(password: str) -> None:
    """Neither in `shown`, nor in a repr."""
    for statement in (
        influxql.create_user("", password),
        influxql.set_password("", password),
    ):
        assert influxql.quote_string(password) in statement.text
        assert influxql.quote_string(password) not in statement.shown
        assert statement.shown.endswith("'…'")
        assert repr(statement.text) not in repr(statement)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1h", HOUR),
        ("60m", HOUR),
        ("3600s", HOUR),
        ("90d", 90 * DAY),
        ("4w", 28 * DAY),
        ("36500d", 36_500 * DAY),
        ("forever", FOREVER),
    ],
)
def test_a_duration_is_a_number_and_a_unit(text: str, seconds: int) -> None:
    """Or the word for no end."""
    assert influxql.parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        *("", "90", "d", "1.5h", "-1h", "+1h", " 1h", "1h ", "1 h", "1h30m", "1D", "1y", "INF"),
        *("0", "0s", "59m", "3599s", "36501d", "999999999w", "1h\n", "٣d", "9" * 5000 + "d"),
    ],
)
def test_anything_else_is_no_duration(text: str) -> None:
    """The error names the valid form, in one short line."""
    with pytest.raises(ValueError, match=r"must be .* or forever") as error:
        influxql.parse_duration(text)
    assert len(str(error.value)) < 120
    assert str(error.value).isprintable()


def test_the_least_duration_may_be_longer() -> None:
    """The error names it."""
    assert influxql.parse_duration("7d", 7 * DAY) == 7 * DAY
    with pytest.raises(ValueError, match="must be from 7d to"):
        influxql.parse_duration("167h", 7 * DAY)


@given(st.integers(min_value=1, max_value=36_500 * DAY))
def test_a_duration_reads_back(seconds: int) -> None:
    """From a statement, and from the server's form."""
    assert influxql.parse_duration(influxql.duration(seconds), 1) == seconds
    hours, rest = divmod(seconds, HOUR)
    minutes, rest = divmod(rest, 60)
    assert influxql.server_duration(f"{hours}h{minutes}m{rest}s") == seconds
    assert influxql.duration(FOREVER) == "INF"
    assert influxql.server_duration("0s") == FOREVER


def test_two_statements_are_the_same_whatever_their_quotes() -> None:
    """A server drops unnecessary quotes, and prints 1d for 24h."""
    ours = 'SELECT mean("V") AS "V" FROM "b"."raw"."d c" GROUP BY time(60m), *'
    its = 'SELECT mean(V) AS V FROM b.raw."d c" GROUP BY time(1h), *'
    assert influxql.tokens(ours) == influxql.tokens(its)
    for other in (its.replace("1h", "2h"), its.replace("mean", "min"), its.replace("d c", "dc")):
        assert influxql.tokens(ours) != influxql.tokens(other)


LONG = 64 * 1024  # characters: the longest answer of a database has as many


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ('\\"' * (LONG // 2), 2),
        ("\\'" * (LONG // 2), 2),
        ('"' + "\\" * (LONG - 1), 1),
        ('"' + "\\\n" * (LONG // 2 - 1), 1),
        ("'" + '"\\' * (LONG // 2 - 1), 1),
        ('a"' * (LONG // 2), LONG // 2),
        ("0" * (LONG - 1) + "s", 1),
    ],
    ids=["double", "single", "backslashes", "ends of lines", "in turn", "closed", "digits"],
)
def test_an_unclosed_quote_takes_the_rest(text: str, parts: int) -> None:
    """Otherwise 64 KiB of quotes took a minute, and setup-db has no deadline for that."""
    found = influxql.tokens(text)
    assert len(found) == parts
    assert len(text) <= LONG


def test_the_number_of_parts_can_be_limited() -> None:
    """The first ones are returned."""
    assert influxql.tokens('CREATE CONTINUOUS QUERY "a b" ON c', 4) == (
        "CREATE",
        "CONTINUOUS",
        "QUERY",
        "a b",
    )
