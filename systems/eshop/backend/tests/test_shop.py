"""The API as a client sees it, over a real PostgreSQL and without Redis."""

import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import jwt
import pytest
from conftest import SECRET_KEY

API = "/api/v1"
PASSWORD = "correct horse battery"


def register(client, **changes):
    person = {"email": f"{uuid.uuid4().hex}@example.com", "name": "Aoi", "password": PASSWORD}
    return client.post(f"{API}/auth/register", json=person | changes)


def make_order(product_id, quantity=1, **changes):
    order = {
        "request_id": str(uuid.uuid4()),
        "ship_name": "Aoi",
        "ship_address": "1-2-3 Kuramae\nTokyo",
        "items": [{"product_id": product_id, "quantity": quantity}],
    }
    return order | changes


def get_product(client, slug):
    return client.get(f"{API}/products/{slug}").json()


def test_health_is_200_when_the_database_answers(client):
    assert client.get("/health").status_code == 200


def test_health_is_503_when_the_database_does_not_answer(make_client):
    from sqlalchemy.orm import Session

    from app.db import open_engine, open_session
    from app.main import app

    nowhere = open_engine("postgresql+psycopg://eshop@127.0.0.1:1/eshop")

    def open_broken_session():
        with Session(nowhere) as session:
            yield session

    app.dependency_overrides[open_session] = open_broken_session
    try:
        answer = make_client().get("/health")
    finally:
        app.dependency_overrides.clear()
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "2"


def test_the_list_is_served_without_a_cache(client):
    answer = client.get(f"{API}/products")
    assert answer.headers["x-cache"] == "miss"
    assert len(answer.json()) == 12


def test_an_unknown_product_is_404_and_a_strange_slug_422(client):
    assert client.get(f"{API}/products/no-such-thing").status_code == 404
    assert client.get(f"{API}/products/{'x' * 61}").status_code == 422
    assert client.get(f"{API}/products/UPPER%00").status_code == 422


def test_registering_logs_in_with_a_cookie_scripts_cannot_read(client):
    answer = register(client)
    assert answer.status_code == 201
    cookie = answer.headers["set-cookie"].lower()
    assert all(word in cookie for word in ("httponly", "secure", "samesite=lax", "max-age=1800"))
    assert client.get(f"{API}/me").json()["name"] == "Aoi"


def test_one_mailbox_is_one_account(client, make_client):
    assert register(client, email="Twice@example.com").status_code == 201
    assert register(make_client(), email="twice@EXAMPLE.com").status_code == 409


def test_a_wrong_password_and_an_unknown_account_look_the_same(client):
    email = register(client).json()["user"]["email"]
    wrong = client.post(f"{API}/auth/login", json={"email": email, "password": "x" * 12})
    unknown = client.post(f"{API}/auth/login", json={"email": "a@b.c", "password": "x" * 12})
    assert (wrong.status_code, wrong.json()) == (401, unknown.json())
    assert unknown.status_code == 401


@pytest.mark.parametrize(
    "field, value",
    [
        ("email", "no-at-sign"),
        ("email", "a" * 65 + "@example.com"),
        ("email", "a@" + "b" * 253),
        ("name", " "),
        ("name", "a" * 81),
        ("name", "a\x00b"),
        ("password", "too short"),
        ("password", "x" * 129),
        ("is_admin", True),
    ],
)
def test_registering_refuses_what_is_outside_the_limits(client, field, value):
    answer = register(client, **{field: value})
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"][-1] == field


def test_an_expired_or_foreign_token_is_refused(client):
    token = register(client).json()["access_token"]
    client.cookies.clear()
    claims = jwt.decode(token, SECRET_KEY, algorithms=["HS256"])
    assert claims["exp"] - claims["iat"] == 30 * 60

    def get_me_with(key, algorithm="HS256", **changes):
        bad = jwt.encode(claims | changes, key, algorithm=algorithm)
        return client.get(f"{API}/me", headers={"Authorization": f"Bearer {bad}"}).status_code

    assert get_me_with(SECRET_KEY) == 200
    assert get_me_with(SECRET_KEY, exp=int(time.time()) - 1) == 401
    assert get_me_with(SECRET_KEY[::-1]) == 401
    assert get_me_with(SECRET_KEY * 2) == 401
    assert get_me_with(SECRET_KEY, algorithm="HS512") == 401
    assert get_me_with("", algorithm="none") == 401


def test_an_order_takes_stock_and_is_found_again(client):
    register(client)
    before = get_product(client, "iron-kettle")
    answer = client.post(f"{API}/orders", json=make_order(before["id"], 2))
    assert answer.status_code == 201
    order = answer.json()
    assert order["total_yen"] == 2 * before["price_yen"]
    assert get_product(client, "iron-kettle")["stock"] == before["stock"] - 2
    assert [found["number"] for found in client.get(f"{API}/orders").json()] == [order["number"]]


def test_the_same_request_twice_is_one_order(client):
    register(client)
    before = get_product(client, "paper-lantern")
    wanted = make_order(before["id"])
    first, second = (client.post(f"{API}/orders", json=wanted) for _ in range(2))
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json()["number"] == second.json()["number"]
    assert get_product(client, "paper-lantern")["stock"] == before["stock"] - 1


def test_an_order_belongs_to_the_one_who_made_it(client, make_client):
    register(client)
    number = client.post(f"{API}/orders", json=make_order(3)).json()["number"]
    other = make_client()
    assert other.get(f"{API}/orders/{number}").status_code == 401
    register(other)
    assert other.get(f"{API}/orders/{number}").status_code == 404
    assert client.get(f"{API}/orders/{number}").status_code == 200


def test_many_at_once_never_sell_more_than_there_is(make_client):
    buyers = [make_client() for _ in range(12)]
    for buyer in buyers:
        assert register(buyer).status_code == 201
    product = get_product(buyers[0], "hanging-bell")
    assert product["stock"] == 3

    def buy(buyer):
        return buyer.post(f"{API}/orders", json=make_order(product["id"])).status_code

    with ThreadPoolExecutor(len(buyers)) as pool:
        answers = sorted(pool.map(buy, buyers))
    assert answers == [201] * 3 + [409] * 9
    assert get_product(buyers[0], "hanging-bell")["stock"] == 0


def test_one_product_that_is_short_leaves_the_whole_order_undone(client):
    register(client)
    cloth = get_product(client, "linen-kitchen-cloth")
    basket = get_product(client, "bamboo-basket")
    items = [{"product_id": cloth["id"], "quantity": 1}]
    items.append({"product_id": basket["id"], "quantity": basket["stock"] + 1})
    answer = client.post(f"{API}/orders", json=make_order(0, items=items))
    assert (answer.status_code, "Bamboo basket" in answer.json()["detail"]) == (409, True)
    assert get_product(client, "linen-kitchen-cloth")["stock"] == cloth["stock"]


@pytest.mark.parametrize(
    "changes, status",
    [
        ({"items": []}, 422),
        ({"items": [{"product_id": 1, "quantity": 1}] * 51}, 422),
        ({"items": [{"product_id": 1, "quantity": 21}]}, 422),
        ({"items": [{"product_id": 1, "quantity": 11}] * 2}, 422),
        ({"items": [{"product_id": 2**31, "quantity": 1}]}, 422),
        ({"items": [{"product_id": 2**31 - 1, "quantity": 1}]}, 404),
        ({"ship_address": "x" * 301}, 422),
        ({"ship_name": "\t"}, 422),
        ({"request_id": "not-a-uuid"}, 422),
    ],
)
def test_an_order_outside_the_limits_is_refused(client, changes, status):
    register(client)
    assert client.post(f"{API}/orders", json=make_order(1) | changes).status_code == status
    assert client.get(f"{API}/orders").json() == []


def test_a_body_above_the_limit_is_refused_with_and_without_a_length(client):
    big = b'{"email":"' + b"a" * 70_000 + b'"}'
    headers = {"content-type": "application/json"}
    for body in (big, iter([big[:40_000], big[40_000:]])):
        answer = client.post(f"{API}/auth/login", content=body, headers=headers)
        assert (answer.status_code, answer.headers["connection"]) == (413, "close")


def test_a_body_that_is_not_declared_as_json_is_refused(client):
    """A form of another site cannot send application/json, so it cannot act for a visitor."""
    register(client)
    headers = {"content-type": "text/plain"}
    answer = client.post(f"{API}/orders", content=b"{}", headers=headers)
    assert answer.status_code == 422
