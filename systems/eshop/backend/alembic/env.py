"""Runs the migrations in one transaction. An advisory lock makes a second runner wait for the
first and then find nothing left to be done, so instances may migrate when they start."""

from logging.config import fileConfig

from alembic import context
from sqlalchemy import create_engine, pool, text

from app.config import read_database_url
from app.models import Base

MIGRATION_LOCK = 4_911_001

config = context.config
if config.config_file_name is not None:
    fileConfig(config.config_file_name, disable_existing_loggers=False)


def run_offline() -> None:
    context.configure(url=read_database_url(), target_metadata=Base.metadata, literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()


def run_online() -> None:
    engine = create_engine(
        read_database_url(), poolclass=pool.NullPool, connect_args={"connect_timeout": 10}
    )
    with engine.connect() as connection:
        context.configure(connection=connection, target_metadata=Base.metadata)
        with context.begin_transaction():
            connection.execute(text(f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK})"))
            context.run_migrations()


if context.is_offline_mode():
    run_offline()
else:
    run_online()
