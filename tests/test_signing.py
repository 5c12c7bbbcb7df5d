"""HMACs: the specification's vector, and which of several keys counts."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from processor.signing import hmac_sha256, signed_by_any


def test_the_digest_is_that_of_the_specification() -> None:
    """RFC 4231, test case 2."""
    expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    assert hmac_sha256(b"Jefe", b"what do ya want for nothing?").hex() == expected


def test_no_key_at_all_signs_nothing() -> None:
    assert not signed_by_any(hmac_sha256(b"", b"message"), b"message", [])


def test_a_digest_of_another_length_is_no_match_and_no_crash() -> None:
    assert not signed_by_any(b"", b"message", [b"key"])
    assert not signed_by_any(hmac_sha256(b"key", b"message")[:-1], b"message", [b"key"])


@settings(deadline=None)
@given(keys=st.lists(st.binary(min_size=1, max_size=64), min_size=1, max_size=4, unique=True), message=st.binary())
def test_any_one_of_several_keys_is_enough_and_no_other_is(keys: list[bytes], message: bytes) -> None:
    for key in keys:
        assert signed_by_any(hmac_sha256(key, message), message, keys)
    assert not signed_by_any(hmac_sha256(b"other " + keys[0], message), message, keys)
