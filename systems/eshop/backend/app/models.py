"""The tables. The migrations in alembic/ make them; this file is how the program sees them."""

from datetime import datetime

from sqlalchemy import CheckConstraint, DateTime, ForeignKey, Index, String, UniqueConstraint, func
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


class Base(DeclarativeBase):
    pass


class Product(Base):
    __tablename__ = "products"
    __table_args__ = (
        CheckConstraint("price_yen > 0", name="products_price_is_positive"),
        # The last line against overselling: the row locks in routes/orders.py are the first.
        CheckConstraint("stock >= 0", name="products_stock_is_not_negative"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(String(60), unique=True)
    name: Mapped[str] = mapped_column(String(80))
    maker: Mapped[str] = mapped_column(String(80))
    summary: Mapped[str] = mapped_column(String(160))
    description: Mapped[str] = mapped_column(String(2000))
    price_yen: Mapped[int]
    stock: Mapped[int]
    picture: Mapped[str] = mapped_column(String(20))
    tint: Mapped[str] = mapped_column(String(20))


class User(Base):
    __tablename__ = "users"

    id: Mapped[int] = mapped_column(primary_key=True)
    # Always stored in lower case, so one mailbox is one account.
    email: Mapped[str] = mapped_column(String(254), unique=True)
    name: Mapped[str] = mapped_column(String(80))
    password_hash: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())


class Order(Base):
    __tablename__ = "orders"
    __table_args__ = (
        # A checkout that is sent twice (double click, retry) is one order.
        UniqueConstraint("user_id", "request_id", name="orders_user_request_key"),
        Index("orders_user_created_idx", "user_id", "created_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[str] = mapped_column(String(16), unique=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    request_id: Mapped[str] = mapped_column(String(36))
    ship_name: Mapped[str] = mapped_column(String(80))
    ship_address: Mapped[str] = mapped_column(String(300))
    total_yen: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    items: Mapped[list["OrderItem"]] = relationship(
        order_by="OrderItem.id", lazy="selectin", cascade="all, delete-orphan"
    )


class OrderItem(Base):
    """Name and price are copied: an order keeps what was agreed when the product changes."""

    __tablename__ = "order_items"
    __table_args__ = (CheckConstraint("quantity > 0", name="order_items_quantity_is_positive"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id", ondelete="CASCADE"), index=True)
    product_id: Mapped[int] = mapped_column(ForeignKey("products.id"))
    name: Mapped[str] = mapped_column(String(80))
    price_yen: Mapped[int]
    quantity: Mapped[int]
    product: Mapped[Product] = relationship(lazy="joined")
