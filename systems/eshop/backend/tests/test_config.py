"""Settings that cannot work are refused, with the name of the variable."""

import pytest

from app import config

GOOD = {
    "DATABASE_URL": "postgresql://user:pass@postgres:5432/eshop",
    "REDIS_URL": "redis://redis:6379/0",
    "SECRET_KEY": "k" * 32,
    "JWT_ALGORITHM": "HS256",
    "JWT_EXPIRE_MINUTES": "30",
}


def read_settings(monkeypatch, **changes):
    for name, value in (GOOD | changes).items():
        monkeypatch.setenv(name, value)
    return config.get_settings.__wrapped__()


def test_the_documented_values_are_accepted(monkeypatch):
    settings = read_settings(monkeypatch)
    assert settings.database_url == "postgresql+psycopg://user:pass@postgres:5432/eshop"
    assert settings.jwt_expire_minutes == 30


@pytest.mark.parametrize(
    "name, value",
    [
        ("DATABASE_URL", ""),
        ("DATABASE_URL", "mysql://user@host/eshop"),
        ("SECRET_KEY", "k" * 31),
        ("SECRET_KEY", "CHANGE_ME"),
        ("JWT_ALGORITHM", "none"),
        ("JWT_EXPIRE_MINUTES", "0"),
        ("JWT_EXPIRE_MINUTES", "43201"),
        ("JWT_EXPIRE_MINUTES", "half an hour"),
    ],
)
def test_a_value_that_cannot_work_is_refused_by_name(monkeypatch, name, value):
    with pytest.raises(config.SettingsError, match=name):
        read_settings(monkeypatch, **{name: value})
