from django.contrib.postgres.operations import RemoveIndexConcurrently
from django.db import migrations


class Migration(migrations.Migration):
    """An index that nobody uses."""

    atomic = False
    dependencies = [("shop", "0004_full_name")]
    operations = [RemoveIndexConcurrently("order", "orders_customer_id_idx")]
