"""The cache forgets, fails and comes back; the shop does not notice."""

import redis

from app.cache import Cache


class FakeRedis:
    def __init__(self):
        self.entries = {}
        self.lifetimes = {}
        self.calls = 0
        self.is_down = False

    def _call(self):
        self.calls += 1
        if self.is_down:
            raise redis.ConnectionError("no route")

    def get(self, key):
        self._call()
        return self.entries.get(key)

    def set(self, key, value, ex):
        self._call()
        self.entries[key] = value
        self.lifetimes[key] = ex

    def delete(self, key):
        self._call()
        self.entries.pop(key, None)


def test_what_is_put_is_found_until_it_is_removed():
    fake = FakeRedis()
    cache = Cache(fake, ttl_seconds=30)
    cache.put("list", b"[]")
    assert cache.find("list") == b"[]"
    assert fake.lifetimes == {"list": 30}
    cache.remove("list")
    assert cache.find("list") is None


def test_a_dead_redis_is_asked_once_and_then_left_alone():
    fake = FakeRedis()
    fake.is_down = True
    cache = Cache(fake, ttl_seconds=30)
    assert [cache.find("list") for _ in range(5)] == [None] * 5
    assert fake.calls == 1


def test_redis_is_used_again_after_its_rest(monkeypatch):
    fake = FakeRedis()
    fake.is_down = True
    now = [100.0]
    monkeypatch.setattr("app.cache.time.monotonic", lambda: now[0])
    cache = Cache(fake, ttl_seconds=30)
    cache.put("list", b"[]")
    fake.is_down = False
    cache.put("list", b"[]")
    assert fake.entries == {}
    now[0] += 5.0
    cache.put("list", b"[]")
    assert cache.find("list") == b"[]"
