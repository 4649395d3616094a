import hashlib
import random
import string
from base64 import b64encode, urlsafe_b64encode

import pytest

from dlpagent.classifiers.validators import secrets

# None of these was ever issued: made from seeds, or typed for this test.
TOKENS = ["tN3kQx81LwPq09ZsVb72", "tN3kQx81", "aio_Wq8Zt5Rk2Lp7Xv3Nb6", "c0ffee-7Gq2-Zt91-Kw4x",
    "Zx9!kQ2#vT7p",
          "api_key=tN3kQx81LwPq09ZsVb72", "sk_live_9TqXw2Zr7Lk4Vb8N"]  # fmt: skip
PLACEHOLDERS = [
    "your_api_key_here", "YOUR-TOKEN", "<password>", "${DB_PASSWORD}", "$DB_PASSWORD",
    "{{ secret }}",
    "%(password)s", "%PASSWORD%", "xxxxxxxxxxxx", "************", "................", "changeme",
    "change-me-please", "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "[REDACTED]", "redacted", "placeholder", "dummy_token_1", "insert-key", "fake-secret-99",
    "mock_password1", "password", "secret", "None", "null", "undefined", "test", "aaaaaaaaaaaaaaa",
    "abababababababab", "deadbeefdeadbeefdeadbeef", "1234567890123456", "sample-key-123456",
    "#{ENV_TOKEN}", "@TOKEN@", "my-secret-value", "abcdefghijklmnop", "",
]  # fmt: skip
CODE = [
    "os.environ['TOKEN']", "process.env.API_TOKEN", "self.password", "get_password()",
    "config.token",
    "getPassword(user, 1)", "settings['key1']", "DB_PASSWORD_FILE", "user_password",
    "https://host2.org/login1", "sys.argv[1:]", "secret_manager.read(k1)",
]  # fmt: skip
WORDS = [
    "CorrectHorseBattery",
    "getUserAccountById2",
    "administrator1",
    "/usr/lib/python3/dist-packages",
]


@pytest.mark.parametrize("text", TOKENS)
def test_a_random_token_is_secret_like(text):
    assert secrets.secret_like(text)
    assert secrets.secret_like(f' "{text}" ')


@pytest.mark.parametrize("text", PLACEHOLDERS + CODE)
def test_placeholders_and_code_are_never_secrets(text):
    for check in secrets.VALIDATORS.values():
        assert not check(text)
        assert not check(f"'{text}'")


@pytest.mark.parametrize("text", PLACEHOLDERS)
def test_a_placeholder_is_known_as_one(text):
    assert secrets.is_placeholder(text)


@pytest.mark.parametrize("text", [*WORDS, "466.898ms", "2026-05-12", "2026-05-12T22:21:49Z",
    "-70.0866",
                                  "two words 8Zx", "short1", "bytes=7757805",
                                  "libraries.so"])  # fmt: skip
def test_words_numbers_and_dates_are_not_secret_like(text):
    assert not secrets.secret_like(text)


def test_nearly_all_random_tokens_are_accepted_by_the_validator_of_their_form():
    rng = random.Random(11)
    alnum = string.ascii_letters + string.digits
    made = {
        secrets.secret_like: lambda: "".join(rng.choices(alnum, k=32)),
        secrets.base64_secret: lambda: b64encode(rng.randbytes(32)).decode(),
        secrets.hex_secret: lambda: rng.randbytes(20).hex(),
        secrets.password_like: lambda: "".join(rng.choices(alnum + "!$%&?+", k=12)),
    }
    for check, make in made.items():
        assert sum(check(make()) for _ in range(500)) >= 485, check.__name__


@pytest.mark.parametrize("size", [12, 16, 24, 32, 39, 64])
def test_both_base64_alphabets_are_accepted_with_and_without_padding(size):
    octets = hashlib.sha512(b"%d" % size).digest()[:size]
    for text in (b64encode(octets).decode(), urlsafe_b64encode(octets).decode()):
        assert secrets.base64_secret(text)
        assert secrets.base64_secret(text.rstrip("="))


@pytest.mark.parametrize(
    "text",
    [
        b64encode(b"user:correct horse battery staple").decode(),  # readable once decoded
        "thisIsJustAnIdentifierInSource", "alllowercaselettersnodigits", "ABCDEFGH12345678",
        "tN3kQx81LwPq09ZsV", "tN3kQx81Lw=q09ZsVb72", "tN3kQx81LwPq09ZsVb72==", "tN3k",
        "path/To/Some/Module/Name42",
    ],
)  # fmt: skip
def test_text_identifiers_and_broken_base64_are_no_base64_secret(text):
    assert not secrets.base64_secret(text)


@pytest.mark.parametrize(
    "text",
    [
        hashlib.md5(b"").hexdigest(), hashlib.sha1(b"").hexdigest(),
        hashlib.sha256(b"").hexdigest(),
        hashlib.md5(b"password").hexdigest(), "0123456789abcdef0123456789abcdef",
        "12345678901234567890",
        "abcdefabcdefabcd", "A1b2C3d4E5f6A7b8C9d0", "00000000000000a1", "9f86d08",
        "cafebabecafebabe",
    ],
)  # fmt: skip
def test_known_hashes_sequences_and_mixed_case_are_no_hex_secret(text):
    assert not secrets.hex_secret(text)


def test_a_hex_key_is_accepted_in_either_case_and_with_0x():
    key = hashlib.sha256(b"dlpagent test").hexdigest()
    assert secrets.hex_secret(key)
    assert secrets.hex_secret(key.upper())
    assert secrets.hex_secret(f"0x{key[:32]}")


@pytest.mark.parametrize("text", ["hunter2", "qW3r", "Tr0ub4dor&3", "P@ssw0rd!", "Sommer2024",
    "correct-horse-staple",
                                  "kjhgsdfkwertz", "qW3rTy"])  # fmt: skip
def test_typed_passwords_are_password_like(text):
    assert secrets.password_like(text)


@pytest.mark.parametrize("text", ["required", "Required.", "must", "abc", "is missing", "String",
    "x" * 129,
                                  "incorrect.", "administration"])  # fmt: skip
def test_plain_words_are_not_password_like(text):
    assert not secrets.password_like(text)


@pytest.mark.parametrize(
    ("whole", "cut"),
    [
        ("hvs.CjTk2x8LzQwPd04mVsRb91Ny", "hvs.CjTk2x8LzQwPd04mVsRb91NyKq7ZpLx9WtSs5"),
        ("s.ZgoENY0WUXEk3qyNl2Ignkzq", "s.ZgoENY0WUXEk3qyNl2Ignkzq7b"),
        ("033f2f2072ca3f2cb2ec39019fa9e49cd640NRAL", "a1b2c3d4e5f6g7h8i9j0k1l2m3n4o5p6q7r8NRAL"),
        ("px-api-0b7c1f9e-5a3d-4c2e-8f4a-1b9d7c5e3f1a", "px-api-0b7c1f9e-5a3d-4c2e-hf4a-1b9d7c5e3f1a"),
        ("live_126031192_IgvUabrXbWSihj2ENnA59G1F8Kq7Zp", "live_126031192_IgvUabrXbWSihj2ENnA5"),
        ("00nyY0myPM4CSSeQpfcU8jo-Ls-9OEZ3HifJY_PzTA", "00nyY0myPM4CSSeQpfcU8jo-Ls-9OEZ3HifJY_PzT-"),
    ],
)  # fmt: skip
def test_a_token_with_a_prefix_of_a_vendor_has_the_form_of_that_vendor(whole, cut):
    assert not secrets.is_misformed(whole)
    assert secrets.secret_like(whole)
    assert secrets.is_misformed(cut)
    assert not secrets.secret_like(cut)


def test_pieces_of_the_alphabet_are_no_words():
    assert secrets.wordiness("abcdefghij1234567890") == 0
    assert secrets.wordiness("customer12address34") > 0.7
