"""The catalogue. The list comes from the cache when it can; a product always from the database."""

from typing import Annotated

from fastapi import APIRouter, HTTPException, Path, Response
from pydantic import TypeAdapter
from sqlalchemy import select

from app.cache import PRODUCT_LIST_KEY, cache
from app.db import DbSession
from app.models import Product
from app.schemas import ProductDetailOut, ProductOut

MAX_LISTED = 200

router = APIRouter(prefix="/products", tags=["products"])
_product_list = TypeAdapter(list[ProductOut])
Slug = Annotated[str, Path(max_length=60, pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]


def _read_list(db: DbSession) -> bytes:
    rows = db.scalars(select(Product).order_by(Product.id).limit(MAX_LISTED)).all()
    return _product_list.dump_json(_product_list.validate_python(rows, from_attributes=True))


@router.get("", response_model=list[ProductOut])
def list_products(db: DbSession) -> Response:
    """The header X-Cache tells a test, or a curious person, where the answer came from."""
    body = cache.find(PRODUCT_LIST_KEY)
    source = "hit" if body is not None else "miss"
    if body is None:
        body = _read_list(db)
        cache.put(PRODUCT_LIST_KEY, body)
    return Response(body, media_type="application/json", headers={"X-Cache": source})


@router.get("/{slug}", response_model=ProductDetailOut)
def get_product(slug: Slug, db: DbSession) -> Product:
    product = db.scalar(select(Product).where(Product.slug == slug))
    if product is None:
        raise HTTPException(404, "there is no such product")
    return product
