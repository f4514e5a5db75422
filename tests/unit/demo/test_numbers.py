"""Made-up numbers have the right shape and are all different."""

from itertools import islice

import pytest

from pdp.demo.numbers import check_digit, kvk_number, passes_elfproef, rsins


@pytest.mark.parametrize("number", ["123456782", "111222333", "004321893"])
def test_elfproef_passes(number: str) -> None:
    assert passes_elfproef(number)


@pytest.mark.parametrize(
    "number",
    [
        "123456789",
        "000000000",
        "12345678",
        "1234567821",
        "",
        "12345678x",
        "\uff11\uff12\uff13\uff14\uff15\uff16\uff17\uff18\uff12",
    ],
)
def test_elfproef_fails(number: str) -> None:
    assert not passes_elfproef(number)


def test_remainder_ten_has_no_check_digit() -> None:
    assert check_digit("80412985") is None


def test_kvk_numbers_are_eight_digits_and_all_different() -> None:
    numbers = [kvk_number(position, offset=12_345_678) for position in range(20_000)]
    assert len(set(numbers)) == len(numbers)
    assert all(len(number) == 8 and number.isdecimal() for number in numbers)
    assert any(number.startswith("0") for number in numbers)


def test_rsins_pass_the_elfproef_and_are_all_different() -> None:
    numbers = [number for position in range(5_000) for number in rsins(position, offset=87_654_321)]
    assert len(set(numbers)) == len(numbers)
    assert all(passes_elfproef(number) for number in numbers)


def test_every_position_has_numbers_enough() -> None:
    assert all(len(list(islice(rsins(position), 3))) == 3 for position in range(20_000))
