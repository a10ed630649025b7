"""Orders. Stock is taken and the order written in one transaction, under row locks."""

import secrets
from typing import Annotated

from fastapi import APIRouter, HTTPException, Path, Query, Response
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.cache import PRODUCT_LIST_KEY, cache
from app.db import DbSession
from app.models import Order, OrderItem, Product, User
from app.schemas import MAX_QUANTITY, OrderIn, OrderOut
from app.session import CurrentUser

MAX_LISTED = 100
# No vowels and nothing that looks like something else: readable over the telephone.
NUMBER_LETTERS = "23456789BCDFGHJKMNPQRSTVWXZ"

router = APIRouter(prefix="/orders", tags=["orders"])
OrderNumber = Annotated[str, Path(max_length=16, pattern=r"^[0-9A-Z]{4}-[0-9A-Z]{4}$")]


def make_number() -> str:
    """About 2.8e11 possible numbers; the unique index refuses the rare repetition."""
    letters = [secrets.choice(NUMBER_LETTERS) for _ in range(8)]
    return "".join(letters[:4]) + "-" + "".join(letters[4:])


def _sum_quantities(wanted: OrderIn) -> dict[int, int]:
    quantities: dict[int, int] = {}
    for line in wanted.items:
        quantities[line.product_id] = quantities.get(line.product_id, 0) + line.quantity
    if max(quantities.values()) > MAX_QUANTITY:
        raise HTTPException(422, f"an order holds at most {MAX_QUANTITY} of one product")
    return quantities


def _find_earlier(db: Session, user: User, wanted: OrderIn) -> Order | None:
    request_id = str(wanted.request_id)
    return db.scalar(select(Order).where(Order.user_id == user.id, Order.request_id == request_id))


def _lock_products(db: Session, ids: list[int]) -> dict[int, Product]:
    """Locked in the order of their ids, so that two orders never wait for each other."""
    query = select(Product).where(Product.id.in_(ids)).order_by(Product.id).with_for_update()
    return {product.id: product for product in db.scalars(query)}


def _take_stock(products: dict[int, Product], quantities: dict[int, int]) -> list[OrderItem]:
    items = []
    for product_id, quantity in quantities.items():
        product = products.get(product_id)
        if product is None:
            raise HTTPException(404, f"there is no product {product_id}")
        if product.stock < quantity:
            raise HTTPException(409, f"{product.name}: only {product.stock} left")
        product.stock -= quantity
        items.append(
            OrderItem(
                product=product, name=product.name, price_yen=product.price_yen, quantity=quantity
            )
        )
    return items


def _place(db: Session, user: User, wanted: OrderIn) -> Order:
    quantities = _sum_quantities(wanted)
    items = _take_stock(_lock_products(db, list(quantities)), quantities)
    order = Order(
        number=make_number(),
        user_id=user.id,
        request_id=str(wanted.request_id),
        ship_name=wanted.ship_name,
        ship_address=wanted.ship_address,
        total_yen=sum(item.price_yen * item.quantity for item in items),
        items=items,
    )
    db.add(order)
    db.commit()
    return order


@router.post("", status_code=201, response_model=OrderOut)
def create_order(wanted: OrderIn, user: CurrentUser, response: Response, db: DbSession) -> Order:
    """The same <request_id> again gives the same order with 200 and takes no more stock."""
    earlier = _find_earlier(db, user, wanted)
    if earlier is None:
        try:
            order = _place(db, user, wanted)
            cache.remove(PRODUCT_LIST_KEY)
            return order
        except IntegrityError:
            # The same request was being served at the same time and won.
            db.rollback()
            earlier = _find_earlier(db, user, wanted)
            if earlier is None:
                raise
    response.status_code = 200
    return earlier


@router.get("", response_model=list[OrderOut])
def list_orders(
    user: CurrentUser, db: DbSession, limit: Annotated[int, Query(ge=1, le=MAX_LISTED)] = 50
) -> list[Order]:
    query = select(Order).where(Order.user_id == user.id).order_by(Order.id.desc()).limit(limit)
    return list(db.scalars(query))


@router.get("/{number}", response_model=OrderOut)
def get_order(number: OrderNumber, user: CurrentUser, db: DbSession) -> Order:
    """Somebody else's order is answered like one that does not exist."""
    order = db.scalar(select(Order).where(Order.number == number, Order.user_id == user.id))
    if order is None:
        raise HTTPException(404, "there is no such order")
    return order
