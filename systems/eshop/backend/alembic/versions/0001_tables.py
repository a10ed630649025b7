"""tables"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def _created_at() -> sa.Column:
    return sa.Column(
        "created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False
    )


def _create_products() -> None:
    op.create_table(
        "products",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("slug", sa.String(60), nullable=False, unique=True),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("maker", sa.String(80), nullable=False),
        sa.Column("summary", sa.String(160), nullable=False),
        sa.Column("description", sa.String(2000), nullable=False),
        sa.Column("price_yen", sa.Integer, nullable=False),
        sa.Column("stock", sa.Integer, nullable=False),
        sa.Column("picture", sa.String(20), nullable=False),
        sa.Column("tint", sa.String(20), nullable=False),
        sa.CheckConstraint("price_yen > 0", name="products_price_is_positive"),
        sa.CheckConstraint("stock >= 0", name="products_stock_is_not_negative"),
    )


def _create_users() -> None:
    op.create_table(
        "users",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("email", sa.String(254), nullable=False, unique=True),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("password_hash", sa.String(200), nullable=False),
        _created_at(),
    )


def _create_orders() -> None:
    op.create_table(
        "orders",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("number", sa.String(16), nullable=False, unique=True),
        sa.Column("user_id", sa.Integer, sa.ForeignKey("users.id"), nullable=False),
        sa.Column("request_id", sa.String(36), nullable=False),
        sa.Column("ship_name", sa.String(80), nullable=False),
        sa.Column("ship_address", sa.String(300), nullable=False),
        sa.Column("total_yen", sa.Integer, nullable=False),
        _created_at(),
        sa.UniqueConstraint("user_id", "request_id", name="orders_user_request_key"),
    )
    op.create_index("orders_user_created_idx", "orders", ["user_id", "created_at"])


def _create_order_items() -> None:
    op.create_table(
        "order_items",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column(
            "order_id",
            sa.Integer,
            sa.ForeignKey("orders.id", ondelete="CASCADE"),
            nullable=False,
            index=True,
        ),
        sa.Column("product_id", sa.Integer, sa.ForeignKey("products.id"), nullable=False),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("price_yen", sa.Integer, nullable=False),
        sa.Column("quantity", sa.Integer, nullable=False),
        sa.CheckConstraint("quantity > 0", name="order_items_quantity_is_positive"),
    )


def upgrade() -> None:
    _create_products()
    _create_users()
    _create_orders()
    _create_order_items()


def downgrade() -> None:
    for table in ("order_items", "orders", "users", "products"):
        op.drop_table(table)
