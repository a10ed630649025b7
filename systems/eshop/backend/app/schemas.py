"""What goes in and out over HTTP. Every field that comes from outside has a limit."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

MAX_PRODUCT_ID = 2**31 - 1
MAX_LINES_PER_ORDER = 50
MAX_QUANTITY = 20
PASSWORD_LENGTH = {"min_length": 10, "max_length": 128}

# Text that a person typed: trimmed, at least one character, no control characters (a NUL
# character in particular is something PostgreSQL refuses).
PLAIN_TEXT = r"^[^\x00-\x1f\x7f]+$"
ADDRESS_TEXT = r"^[^\x00-\x09\x0b-\x1f\x7f]+$"


def _text(max_length: int, pattern: str = PLAIN_TEXT) -> StringConstraints:
    return StringConstraints(
        strip_whitespace=True, min_length=1, max_length=max_length, pattern=pattern
    )


Email = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True,
        to_lower=True,
        min_length=3,
        max_length=254,
        pattern=r"^[^\s@\x00-\x1f\x7f]{1,64}@[^\s@\x00-\x1f\x7f]{1,189}$",
    ),
]
Name = Annotated[str, _text(80)]
Address = Annotated[str, _text(300, ADDRESS_TEXT)]
Password = Annotated[str, Field(**PASSWORD_LENGTH)]


class In(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Out(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class RegisterIn(In):
    email: Email
    name: Name
    password: Password


class LoginIn(In):
    email: Email
    # No lower limit here: a wrong password is wrong, whatever its length.
    password: Annotated[str, Field(max_length=PASSWORD_LENGTH["max_length"])]


class OrderLineIn(In):
    product_id: Annotated[int, Field(ge=1, le=MAX_PRODUCT_ID)]
    quantity: Annotated[int, Field(ge=1, le=MAX_QUANTITY)]


class OrderIn(In):
    request_id: UUID
    ship_name: Name
    ship_address: Address
    items: Annotated[list[OrderLineIn], Field(min_length=1, max_length=MAX_LINES_PER_ORDER)]


class ProductOut(Out):
    id: int
    slug: str
    name: str
    maker: str
    summary: str
    price_yen: int
    stock: int
    picture: str
    tint: str


class ProductDetailOut(ProductOut):
    description: str


class UserOut(Out):
    email: str
    name: str


class TokenOut(BaseModel):
    access_token: str
    token_type: str = "bearer"
    expires_in: int
    user: UserOut


class OrderProductOut(Out):
    slug: str
    picture: str
    tint: str


class OrderItemOut(Out):
    product_id: int
    name: str
    price_yen: int
    quantity: int
    product: OrderProductOut


class OrderOut(Out):
    number: str
    created_at: datetime
    ship_name: str
    ship_address: str
    total_yen: int
    items: list[OrderItemOut]
