"""How Alembic reaches the database: DATABASE_URL, which scry points at the fork."""

import os
from logging.config import fileConfig

from alembic import context
from sqlalchemy import MetaData, create_engine

fileConfig(context.config.config_file_name)

engine = create_engine(os.environ["DATABASE_URL"])
with engine.connect() as connection:
    # One transaction per revision, so that a revision which leaves its own commits no other.
    context.configure(connection=connection, target_metadata=MetaData(), transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()
