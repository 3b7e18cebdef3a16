import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    """The tables as they were before Django: `migrate --fake-initial` takes them as made."""

    initial = True
    dependencies = []
    operations = [
        migrations.CreateModel(
            name="Customer",
            fields=[
                ("id", models.AutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("email", models.TextField(unique=True)),
                ("name", models.TextField()),
            ],
            options={"db_table": "customers"},
        ),
        migrations.CreateModel(
            name="Order",
            fields=[
                ("id", models.AutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("customer", models.ForeignKey(
                    db_index=False, on_delete=django.db.models.deletion.PROTECT, to="shop.customer")),
                ("status", models.TextField(default="new")),
                ("total", models.DecimalField(decimal_places=2, max_digits=10)),
                ("address", models.TextField()),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
            ],
            options={
                "db_table": "orders",
                "indexes": [models.Index(fields=["customer"], name="orders_customer_id_idx")],
            },
        ),
    ]
