"""The cache of the product list. Redis holds nothing that is not also in PostgreSQL: when it is
empty, slow or gone, the shop reads the database and goes on."""

import logging
import time

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from app.config import get_settings

TIMEOUT_SECONDS = 0.25
# After a failure Redis is left alone this long, so that a dead one does not slow every request.
REST_SECONDS = 5.0
PRODUCT_LIST_KEY = "eshop:products:v1"

log = logging.getLogger("uvicorn.error")


class Cache:
    def __init__(self, client: redis.Redis, ttl_seconds: int) -> None:
        self._client = client
        self._ttl_seconds = ttl_seconds
        self._resting_until = 0.0

    def find(self, key: str) -> bytes | None:
        return self._try(lambda: self._client.get(key))

    def put(self, key: str, value: bytes) -> None:
        self._try(lambda: self._client.set(key, value, ex=self._ttl_seconds))

    def remove(self, key: str) -> None:
        """A removal that fails leaves an entry that is at most one TTL old."""
        self._try(lambda: self._client.delete(key))

    def _try(self, command):
        if time.monotonic() < self._resting_until:
            return None
        try:
            return command()
        except (redis.RedisError, OSError) as error:
            self._resting_until = time.monotonic() + REST_SECONDS
            log.warning("cache is not usable, going on without it: %s", error)
            return None


def open_cache(url: str, ttl_seconds: int) -> Cache:
    client = redis.Redis.from_url(
        url,
        socket_timeout=TIMEOUT_SECONDS,
        socket_connect_timeout=TIMEOUT_SECONDS,
        retry=Retry(NoBackoff(), 0),
        max_connections=50,
    )
    return Cache(client, ttl_seconds)


cache = open_cache(get_settings().redis_url, get_settings().cache_ttl_seconds)
