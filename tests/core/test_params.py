"""Numbers mean the same in every locale; descriptions hold what they say."""

from __future__ import annotations

import locale

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import UsageError
from app.core.params import SLIDER_POSITIONS, describe, format_number, parse_number
from app.core.specs import AutoencoderSpec, PreprocessSpec, live_changes

LOCALES = ["C", "C.UTF-8", "de_DE.UTF-8", "en_US.UTF-8"]


@pytest.fixture(params=LOCALES)
def any_locale(request):
    before = locale.setlocale(locale.LC_ALL)
    try:
        locale.setlocale(locale.LC_ALL, request.param)
    except locale.Error:
        pytest.skip(f"the locale {request.param} is not installed here")
    yield request.param
    locale.setlocale(locale.LC_ALL, before)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.5", 0.5), ("0,5", 0.5), ("1e-3", 1e-3), ("1E-3", 1e-3), (" 12 ", 12), ("-2.5", -2.5),
        ("−2,5", -2.5), (".5", 0.5), ("0.005", 0.005), ("0,125", 0.125), ("1000", 1000),
        ("1.5e3", 1500), ("1234.5", 1234.5), ("1.0000", 1),
    ],
)  # fmt: skip
def test_numbers_are_read_the_same_everywhere(any_locale, text, value):
    assert parse_number(text) == value


@pytest.mark.parametrize(
    "text",
    ["1.000", "1,000", "12,500", "1.000,5", "1,000.5", "1.2.3", "", "abc", "nan", "inf", "1e999",
     "1_000", "0x10", "5 0", "--1", "٣", "1e", ","],
)  # fmt: skip
def test_what_could_be_two_numbers_or_none_is_refused(any_locale, text):
    with pytest.raises(UsageError):
        parse_number(text)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_written_number_is_read_back_exactly(value):
    assert parse_number(format_number(value)) == value


@given(st.text(max_size=12))
def test_any_text_is_a_number_or_refused(text):
    try:
        value = parse_number(text)
    except UsageError:
        return
    assert isinstance(value, float)


@pytest.mark.parametrize("cls", [AutoencoderSpec, PreprocessSpec])
def test_sliders_reach_their_ends_and_come_back(cls):
    for parameter in describe(cls):
        if parameter.hyper.slider is None or parameter.kind not in ("int", "float"):
            continue
        low, high = parameter.slider
        assert parameter.from_position(0) == pytest.approx(low)
        assert parameter.from_position(SLIDER_POSITIONS) == pytest.approx(high)
        for position in range(0, SLIDER_POSITIONS + 1, 50):
            value = parameter.from_position(position)
            if parameter.kind == "float":
                assert abs(parameter.to_position(value) - position) <= 3
            cls().changed(**{parameter.name: value})


def test_values_beyond_the_slider_are_allowed_within_the_bounds():
    spec = AutoencoderSpec().changed(rho=0.999, learning_rate=1e6)
    rho = next(p for p in describe(AutoencoderSpec) if p.name == "rho")
    assert rho.to_position(spec.rho) == SLIDER_POSITIONS


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"rho": 0}, "0 < rho < 1"),
        ({"rho": 1}, "0 < rho < 1"),
        ({"hidden_units": 0}, "1 ≤ hidden_units"),
        ({"solver": "newton"}, "one of sgd"),
        ({"rhoo": 0.1}, "There is no setting “rhoo”"),
        ({"beta": float("nan")}, "beta"),
        ({"learning_rate": float("inf")}, "learning_rate"),
        ({"hidden_units": 2.5}, "hidden_units"),
    ],
)
def test_a_wrong_value_is_one_sentence(values, said):
    with pytest.raises(UsageError) as caught:
        AutoencoderSpec().changed(**values)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_only_live_values_count_as_live_changes():
    old = AutoencoderSpec()
    new = old.changed(rho=0.2, hidden_units=100, learning_rate=0.5)
    assert live_changes(old, new) == {
        "rho": (old.rho, 0.2),
        "learning_rate": (old.learning_rate, 0.5),
    }


@pytest.mark.parametrize(
    ("value", "text"),
    [(1e9, "1e9"), (1.5e6, "1.5e6"), (1234567.0, "1.234567e6"), (123456789.0, "123456789")],
)
def test_large_numbers_are_short(value, text):
    assert format_number(value) == text
    assert parse_number(text) == value
