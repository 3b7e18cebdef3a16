from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    """An index for the monthly figures, built while the shop is open."""

    atomic = False
    dependencies = [("shop", "0002_order_note")]
    operations = [
        AddIndexConcurrently("order", models.Index(fields=["created_at"], name="orders_created_at_idx")),
    ]
