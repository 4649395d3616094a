"""Passwords in URLs: real ones pass, placeholders do not."""

import pytest

from dlpagent.classifiers.validators.urls import url_password


@pytest.mark.parametrize(
    "text",
    [
        "postgres://app:Tr0mbone88@db.milchhof.example:5432/shop",
        "mongodb+srv://reader:Zb8kkw12@cluster0.ab1cd.mongodb.net",
        "redis://:u8T!kk20xw@cache:6379/0",
        "https://anna:p%40ss1word@files.example",
        "mysql://nimda:m42p!o@2wd@db.example",
    ],
)
def test_a_password_a_person_or_machine_chose_passes(text: str) -> None:
    assert url_password(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "postgres://db.example:5432/shop",
        "postgres://app@db.example/shop",
        "postgres://user:password@localhost/db",
        "postgres://app:app@localhost/db",
        "postgres://user:****@localhost/db",
        "postgres://user:${DB_PASSWORD}@localhost/db",
        "mongodb://user:<password>@cluster0.mongodb.net",
        "https://files.example/a:b1c2@d",
        "anna:Tr0mbone88@db.example",
    ],
)
def test_a_url_without_password_or_with_a_stand_in_fails(text: str) -> None:
    assert not url_password(text)
