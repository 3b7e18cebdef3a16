from django.db import models
from django.utils import timezone


class Customer(models.Model):
    email = models.TextField(unique=True)
    full_name = models.TextField()

    class Meta:
        db_table = "customers"


class Order(models.Model):
    customer = models.ForeignKey(Customer, models.PROTECT, db_index=False)
    status = models.TextField(default="new")
    total = models.DecimalField(max_digits=10, decimal_places=2)
    address = models.TextField()
    created_at = models.DateTimeField(default=timezone.now)
    note = models.TextField(null=True)

    class Meta:
        db_table = "orders"
        indexes = [models.Index(fields=["created_at"], name="orders_created_at_idx")]
