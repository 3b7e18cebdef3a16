"""An index for the monthly figures, built while the shop is open."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade():
    with op.get_context().autocommit_block():
        op.create_index("orders_created_at_idx", "orders", ["created_at"], postgresql_concurrently=True)


def downgrade():
    with op.get_context().autocommit_block():
        op.drop_index("orders_created_at_idx", "orders", postgresql_concurrently=True)
